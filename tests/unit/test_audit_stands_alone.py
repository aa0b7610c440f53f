"""A mistake must be made twice to go unnoticed: the audit borrows nothing of what it judges."""

from __future__ import annotations

import ast
from pathlib import Path

import streams.demo.audit

#: The last two reach Kafka and read a topic to its end; they know nothing of what is in a record.
_ALLOWED = (
    "streams.demo.audit",
    "streams.config",
    "streams.adapters.kafka",
    "streams.adapters.reading",
)
#: Only named, never run: the shape of what the simulator remembers.
_NAMED_ONLY = "streams.demo.simulator.posting"


def imported(tree: ast.AST) -> list[tuple[str, bool]]:
    """Modules that a module imports, and whether for type checking only."""
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.append((node.module or "", id(node) in guarded))
        elif isinstance(node, ast.Import):
            found.extend((name.name, id(node) in guarded) for name in node.names)
    return found


def test_the_audit_imports_nothing_of_the_domain_the_adapters_or_the_contracts() -> None:
    modules = sorted(Path(streams.demo.audit.__file__).parent.glob("*.py"))
    assert len(modules) > 5
    for module in modules:
        for name, is_named_only in imported(ast.parse(module.read_text())):
            if name.split(".")[0] not in {"streams", "schemas"}:
                continue
            is_fine = name.startswith(_ALLOWED) or (name == _NAMED_ONLY and is_named_only)
            assert is_fine, f"{module.name} imports {name}"
