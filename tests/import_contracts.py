"""A contract for import-linter: who may know of a domain."""

from fnmatch import fnmatchcase

from importlinter import Contract, ContractCheck, fields, output


class DomainsContract(Contract):
    """A domain is a folder name that stands on several floors; nothing else imports what lies in one.

    Options:
        domains: the folder names.
        together: modules (``*`` for any name) that may: where a floor is put together, and what serves one domain.
    """

    domains = fields.ListField(subfield=fields.StringField())
    together = fields.ListField(subfield=fields.StringField(), required=False)

    def check(self, graph, verbose):
        wrong = []
        for importer in sorted(graph.modules):
            if any(fnmatchcase(importer, pattern) for pattern in self.together or ()):
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                domain = self._domain(imported)
                if domain and domain != self._domain(importer):
                    wrong.append(f"{importer} -> {imported}")
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def _domain(self, module):
        return next((part for part in module.split(".")[2:3] if part in self.domains), None)

    def render_broken_contract(self, check):
        for edge in check.metadata["wrong"]:
            output.print_error(edge)
