// Compiles Mooring's contracts into the artifacts that the wheel ships, or with --check proves that those committed
// are exactly what the committed sources compile to. Deterministic: versions are pinned and the output holds no path,
// time or host. An artifact records the SHA-256 of every source it was compiled from, OpenZeppelin's included.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const room = join(here, "..", "src", "mooring", "ledger", "contracts");
const shipped = ["AssetRegistry", "CheckpointAnchor"];
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "metadata", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

/** The text of a source by the name that imports use. */
function read(name) {
  const own = join(room, name);
  return readFileSync(existsSync(own) ? own : join(here, "node_modules", name), "utf8");
}

/** Every own source, by name. */
function ownSources() {
  const names = readdirSync(join(room, "src")).filter((file) => file.endsWith(".sol")).sort();
  return Object.fromEntries(names.map((file) => [`src/${file}`, { content: read(`src/${file}`) }]));
}

/** Compiles everything; throws on any warning, so that none is ever grown used to. */
function compile(solc) {
  const sources = ownSources();
  const seen = new Map(Object.entries(sources).map(([name, { content }]) => [name, content]));
  const find = (name) => {
    const contents = read(name);
    seen.set(name, contents);
    return { contents };
  };
  const input = JSON.stringify({ language: "Solidity", sources, settings });
  const output = JSON.parse(solc.compile(input, { import: find }));
  const complaints = (output.errors ?? []).map((each) => each.formattedMessage);
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
  return { output, seen };
}

/** The artifact of one contract as the text of its file. */
function artifact(name, { output, seen }, version) {
  const { abi, evm, metadata } = output.contracts[`src/${name}.sol`][name];
  const { outputSelection: _, ...effective } = settings;
  const used = Object.keys(JSON.parse(metadata).sources).sort();
  const sources = used.map((key) => [key, createHash("sha256").update(seen.get(key)).digest("hex")]);
  const record = {
    contract: name,
    source: `src/${name}.sol`,
    compiler: { name: "solc", version, settings: effective },
    sources: Object.fromEntries(sources),
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
  };
  return `${JSON.stringify(record, null, 1)}\n`;
}

function main() {
  const check = process.argv.includes("--check");
  const solc = require("solc");
  const compiled = compile(solc);
  const build = join(room, "build");
  mkdirSync(build, { recursive: true });
  for (const name of shipped) {
    const path = join(build, `${name}.json`);
    const text = artifact(name, compiled, solc.version());
    if (!check) writeFileSync(path, text);
    else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
      throw new Error(`${name}.json is not what its sources compile to; run: npm run build`);
    }
    const size = (JSON.parse(text).deployedBytecode.length - 2) / 2;
    console.log(`${name}: ${size} bytes of 24576, ${check ? "as committed" : "written"}`);
  }
}

main();
