"""A contract type for import-linter: a list of all that a room may import from outside the package."""

from __future__ import annotations

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OnlyContract(Contract):
    """`source_modules`, each with what it contains, import nothing external but what stands in `allowed`."""

    type_name = "only"

    source_modules = fields.ListField(subfield=fields.ModuleField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        inside = set(self.session_options["root_packages"])
        foreign = sorted(
            (importer, imported)
            for source in self.source_modules
            for importer in {source.name} | graph.find_descendants(source.name)
            for imported in graph.find_modules_directly_imported_by(importer)
            if imported.split(".")[0] not in inside | self.allowed
        )
        return ContractCheck(kept=not foreign, metadata={"foreign": foreign})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["foreign"]:
            output.print_error(f"- {importer} -> {imported}", bold=False)
        output.new_line()
