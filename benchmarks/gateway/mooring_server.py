"""Serve the benchmark's model with Mooring's gateway: `mooring_server.py MODEL.onnx FOLDER --port N`."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from deployment import Published, Site, VolatileLog, open_log, parts_of  # beside this script

from mooring.entrypoints.gateway import GatewaySettings, create_app, serve


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", choices=("file", "volatile", "none"), default="file")
    parser.add_argument("--no-batching", action="store_true")
    parser.add_argument("--seal", type=float, default=0.0, help="seconds between checkpoints; 0: none")
    args = parser.parse_args()
    site = Site()
    site.add("triage", "v1", args.model.read_bytes())
    settings = GatewaySettings(batching=not args.no_batching, unrecorded=args.log == "none")
    if args.log == "file":
        log = open_log(args.folder)
        published = Published(log, args.folder)
        parts = parts_of(site, log, published)
        if args.seal:
            threading.Thread(target=keep_sealing, args=(published, args.seal), daemon=True).start()
    else:
        parts = parts_of(site, VolatileLog() if args.log == "volatile" else None)
    serve(create_app(parts, settings, release="benchmark"), port=args.port)


def keep_sealing(published: Published, pause_s: float) -> None:
    """Seal as the service does: a signed checkpoint and its tiles, again and again."""
    pause = threading.Event()
    while not pause.wait(pause_s):
        if published.log.size > published.log.sealed:
            published.seal()


if __name__ == "__main__":
    main()
