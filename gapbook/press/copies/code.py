"""Take the keeping of records out of the code of a notebook.

A copy for readers records nothing, so statements that record go, and with them what only they
needed: variables, loops, imports. A statement that reads records back cannot run there either; what
it has shown stays as text. Lines are removed, and all others stay as they were written.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeGuard

from gapbook.exceptions import PressError

# what reads back from the records of a session
READERS = {"recorded"}
# names of what makes a stream of random numbers, whose every draw changes the next one
STREAMS = {"default_rng", "Generator", "RandomState"}
GLOBAL_STREAMS = ("np.random.", "numpy.random.", "torch.rand", "torch.manual_seed", "random.")
TOLERANCE = "Tolerance"
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
COMPUTES = (ast.BinOp, ast.Call, ast.Compare)
BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
MUTATORS = {"add", "append", "clear", "extend", "insert", "pop", "setdefault", "sort", "update"}


@dataclass
class Pruned:
    """The code of one cell without its records.

    Attributes
    ----------
    source : str
        What is left of the code; empty if nothing is.
    reads_records : bool
        Whether a statement is gone that read records back, so that outputs of the cell are all that
        can be shown of it.
    """

    source: str
    reads_records: bool = False


@dataclass
class _Statement:
    """A statement at the top of a cell, or within one of its compound statements."""

    node: ast.stmt
    cell: int
    blocks: list[list["_Statement"]] = field(default_factory=list)
    dropped: bool = False
    reads_records: bool = False
    # names of an import that go, where others of it stay
    lost: set[str] = field(default_factory=set)
    # what is printed where it was recorded
    instead: ast.expr | None = None

    @property
    def children(self) -> list["_Statement"]:
        return [child for block in self.blocks for child in block]

    # code is not changed here, only dropped, so these two are worked out once
    @cached_property
    def loads(self) -> set[str]:
        """Names that the whole statement loads."""
        return loads(self.node)

    @cached_property
    def functions_load(self) -> set[str]:
        """Names that functions in the statement load."""
        parts = ast.walk(self.node)
        functions = [part for part in parts if isinstance(part, ast.FunctionDef | ast.Lambda)]
        return set().union(*(loads(function) for function in functions))

    def uses(self) -> set[str]:
        """Names that what is left of the statement needs from before it."""
        if self.dropped:
            return set()
        if self.instead:
            return loads(self.instead)
        if not self.blocks or isinstance(self.node, ast.FunctionDef | ast.ClassDef):
            dropped = [child.node for child in self.walk() if child.dropped]
            return loads(self.node, dropped) if dropped else self.loads
        names = set()
        for block in self.blocks:
            needed: set[str] = set()
            for child in reversed(block):
                if not child.dropped:
                    needed = (needed - _rebound(child.node)) | child.uses()
            names |= needed
        if isinstance(self.node, ast.For):
            names -= _bindings(self.node.target)
        return names | loads(self.node, [child.node for child in self.children])

    def walk(self) -> Iterator["_Statement"]:
        yield self
        for child in self.children:
            yield from child.walk()


def prune(sources: Sequence[str], shown: Collection[int] = ()) -> list[Pruned]:
    """Take records out of the code cells of a notebook.

    Parameters
    ----------
    sources : sequence of str
        Sources of all code cells, in their order.
    shown : collection of int
        Numbers of cells, from 0, that are part of the story. What they compute stays though no
        other code needs it; only tolerances and literals go.

    Returns
    -------
    list of Pruned
        What is left of each cell.

    Raises
    ------
    PressError
        If a cell is not Python, or still keeps records; the message has the number of the cell in
        ``sources``, from 0.
    """
    program = [
        _statement(node, number)
        for number, source in enumerate(sources)
        for node in _parse(source, number).body
    ]
    alive_before = _alive(program)
    _drop_records(program, shown)
    _drop_dead(program, alive_before, shown)
    pruned = []
    for number, source in enumerate(sources):
        own = [statement for statement in program if statement.cell == number]
        pruned.append(_rewrite(source, own))
    return pruned


def loads(node: ast.AST, skip: Iterable[ast.AST] = ()) -> set[str]:
    """Names that a piece of code loads from outside it, in functions and comprehensions too.

    Parameters
    ----------
    node : ast.AST
        The piece of code.
    skip : iterable of ast.AST
        Parts of it that do not count.

    Returns
    -------
    set of str
        The names.

    Examples
    --------
    >>> sorted(loads(ast.parse("a = b + [c for c in d]")))
    ['b', 'd']
    """
    left_out = {id(part) for part in skip}
    if id(node) in left_out:
        return set()
    if isinstance(node, ast.Name):
        return {node.id} - ({node.id} if isinstance(node.ctx, ast.Store) else set())
    parts = list(ast.iter_child_nodes(node))
    outside: list[ast.AST] = []
    if isinstance(node, COMPREHENSIONS):
        # the first sequence is looked up where the comprehension stands
        outside = [node.generators[0].iter]
    elif isinstance(node, ast.For):
        outside = [node.iter]
    elif isinstance(node, ast.FunctionDef | ast.Lambda):
        outside = [node.args, *getattr(node, "decorator_list", ())]
    if isinstance(node, ast.comprehension):
        parts = [*node.ifs, node.target, node.iter]
    names: set[str] = set()
    for part in parts:
        if part not in outside:
            names |= loads(part, [*skip, *outside])
    names -= _local(node)
    if isinstance(node, ast.AugAssign):
        names |= {_root(node.target)} - {""}
    return names.union(*(loads(part, skip) for part in outside))


def _local(node: ast.AST) -> set[str]:
    """Names that a function, a lambda, a comprehension or a loop binds before it looks them up."""
    if isinstance(node, ast.For):
        return _bindings(node.target)
    if isinstance(node, COMPREHENSIONS):
        return set().union(*(_bindings(generator.target) for generator in node.generators))
    if not isinstance(node, ast.FunctionDef | ast.Lambda):
        return set()
    arguments = node.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    listed += [one for one in (arguments.vararg, arguments.kwarg) if one]
    names = {argument.arg for argument in listed}
    if isinstance(node, ast.FunctionDef):
        names = names.union(*(_bindings(statement) for statement in node.body))
    return names


def _bindings(node: ast.AST) -> set[str]:
    """Names that a piece of code binds where it stands."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, (*COMPREHENSIONS, ast.Lambda)):
        return set()
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {_bound(alias) for alias in node.names}
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    names = {node.name} if isinstance(node, ast.ExceptHandler) and node.name else set()
    return names.union(*(_bindings(part) for part in ast.iter_child_nodes(node)))


def stores(node: ast.AST) -> set[str]:
    r"""Names that a statement binds, or whose object it changes in place.

    Parameters
    ----------
    node : ast.AST
        The statement.

    Returns
    -------
    set of str
        The names.

    Examples
    --------
    >>> sorted(stores(ast.parse("a, b = 1, 2\nc['d'] = 3\nimport e.f\ng.append(1)")))
    ['a', 'b', 'c', 'e', 'g']
    """
    names = _bindings(node)
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and isinstance(part.ctx, ast.Store):
            names.add(_root(part))
        elif isinstance(part, ast.Expr) and _is_mutator(part.value):
            names.add(_root(part.value.func))
    return names - {""}


def _parse(source: str, number: int) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise PressError(f"code cell {number}: not Python, {error.msg}: {error.text!r}") from error


def _statement(node: ast.stmt, cell: int) -> _Statement:
    statement = _Statement(node, cell)
    for name in BODIES:
        for part in getattr(node, name, ()):
            if not isinstance(part, ast.stmt):
                statement.blocks.append([_statement(child, cell) for child in part.body])
        inner = [part for part in getattr(node, name, ()) if isinstance(part, ast.stmt)]
        if inner:
            statement.blocks.append([_statement(child, cell) for child in inner])
    return statement


def _drop_records(program: list[_Statement], shown: Collection[int]) -> None:
    """Drop statements that record, and those that need what records or was read from records."""
    recorders = _recorders(program)
    readers = set(READERS)
    for top in program:
        for statement in _innermost_first(top):
            if top.cell in shown:
                statement.instead = _worth_printing(statement.node, recorders, readers)
            if not statement.instead:
                _drop_record(statement, recorders, readers)
        if not top.dropped:
            # a name that is bound anew can be read again
            readers -= _rebound(top.node) - READERS


def _drop_record(statement: _Statement, recorders: set[str], readers: set[str]) -> None:
    node = statement.node
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {_bound(alias) for alias in node.names}
        statement.lost = names & (recorders | READERS)
        statement.dropped = statement.lost == names
        return
    if statement.children:
        left = [child for child in statement.children if not child.dropped]
        heads = [child.node for child in statement.children]
        head = loads(node, skip=heads)
        needs = head & (recorders | readers)
        if isinstance(node, ast.FunctionDef) and _only_records(statement):
            statement.dropped = True
            recorders.add(node.name)
            return
        if left and not needs:
            return
        statement.dropped = True
        statement.reads_records = any(s.reads_records for s in statement.walk())
        statement.reads_records |= bool(needs & readers)
        if needs or statement.reads_records:
            readers |= stores(node)
        return
    names = loads(node)
    if not names & (recorders | readers):
        return
    statement.dropped = True
    statement.reads_records = bool(names & readers) and not _is_call_of(node, recorders)
    if not isinstance(node, ast.Expr):
        readers |= stores(node)


def _worth_printing(node: ast.stmt, recorders: set[str], readers: set[str]) -> ast.expr | None:
    """Return what a part of the story computes only to record it, as a call that prints it."""
    if not _is_call_of(node, recorders & {"record"}):
        return None
    call = node.value  # type: ignore[attr-defined]
    if len(call.args) < 2 or not any(isinstance(p, COMPUTES) for p in ast.walk(call.args[1])):
        return None
    key, value = call.args[:2]
    is_quoted = isinstance(value, ast.Call) and _last(value.func).startswith("paper_")
    if is_quoted or loads(value) & (recorders | readers):
        return None
    if isinstance(key, ast.Constant):
        key = ast.Constant(f"{str(key.value).rpartition('.')[2]}:")
    return ast.Call(ast.Name("print", ast.Load()), [key, value], [])


def _only_records(statement: _Statement) -> bool:
    """Tell whether a function does nothing but record, and work out what it records."""
    inside = list(statement.walk())[1:]
    left = [child.node for child in inside if not (child.dropped or child.blocks)]
    only_binds = all(_only_binds(node) or _is_text(node) for node in left)
    return only_binds and any(child.dropped for child in inside)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _innermost_first(statement: _Statement) -> Iterator[_Statement]:
    for child in statement.children:
        yield from _innermost_first(child)
    yield statement


def _recorders(program: list[_Statement]) -> set[str]:
    """Names that the notebook imports from this package to record with."""
    names = set()
    for top in program:
        for statement in top.walk():
            node = statement.node
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gapbook.press"):
                bound = {_bound(alias) for alias in node.names if alias.name.startswith("record")}
                names |= bound - READERS
    return names


def _alive(program: list[_Statement]) -> dict[int, set[str]]:
    """For each statement at the top, the names that are loaded after it, by its identity."""
    # functions look their names up when they are called
    anywhere = set()
    for top in program:
        if top.functions_load and not top.dropped:
            anywhere |= top.functions_load & top.uses()
    alive = set(anywhere)
    after = {}
    for top in reversed(program):
        after[id(top)] = set(alive)
        if top.dropped:
            continue
        alive -= _rebound(top.node) - anywhere
        alive |= top.uses()
    return after


def _drop_dead(
    program: list[_Statement], alive_before: dict[int, set[str]], shown: Collection[int]
) -> None:
    """Drop statements whose names only dropped statements have used."""
    streams = _streams(program)
    lost = {top.cell for top in program for s in top.walk() if s.reads_records}
    kept = set(shown) - lost
    # cells that do nothing but keep records: what is left there without use was for them
    plumbing = {top.cell for top in program if _has_records(top)} - kept
    changed = True
    while changed:
        changed = False
        alive = _alive(program)
        for top in program:
            needed = alive[id(top)]
            orphans = alive_before[id(top)] - needed
            if top.cell in plumbing:
                orphans = stores(top.node) - needed
            # within a loop or a branch, what the rest of it loads counts too
            for statement in _innermost_first(top):
                stays = top.cell in kept and not _is_plumbing(statement.node)
                if not (statement.dropped or stays):
                    changed |= _drop_if_dead(
                        statement, top, alive[id(top)], orphans, streams, plumbing
                    )


def _drop_if_dead(
    statement: _Statement,
    top: _Statement,
    alive: set[str],
    orphans: set[str],
    streams: set[str],
    plumbing: set[int],
) -> bool:
    node = statement.node
    inner = statement is not top
    needed = alive | top.uses() if inner else alive
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {_bound(alias) for alias in node.names}
        lost = (names & orphans) - needed - statement.lost
        statement.lost |= lost
        statement.dropped = statement.lost == names
        return bool(lost)
    if statement.children and not isinstance(node, ast.FunctionDef | ast.ClassDef):
        statement.dropped = all(child.dropped for child in statement.children)
        return statement.dropped
    if isinstance(node, ast.Assert) and top.cell in plumbing:
        statement.dropped = True
        return True
    if not _only_binds(node) or _draws(node, streams):
        return False
    names = stores(node)
    if inner:
        # of a name that only this part of a loop uses
        orphans = orphans | (names - top.uses() - alive if _has_records(top) else set())
        needed = alive | _uses_but(top, statement)
    if names and names <= orphans and not names & needed:
        statement.dropped = True
        return True
    return False


def _is_plumbing(node: ast.stmt) -> bool:
    """Tell whether a statement is nothing to read: an import, a tolerance or a literal."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.For | ast.If):
        return True
    if not isinstance(node, ast.Assign):
        return False
    parts = list(ast.walk(node.value))
    calls = [part for part in parts if isinstance(part, ast.Call)]
    if calls:
        return any(_last(call.func) == TOLERANCE for call in calls)
    return not any(isinstance(part, ast.BinOp | ast.Subscript) for part in parts)


def _uses_but(top: _Statement, statement: _Statement) -> set[str]:
    """Names that a compound statement loads, but for one part of it."""
    statement.dropped = True
    names = top.uses()
    statement.dropped = False
    return names


def _has_records(top: _Statement) -> bool:
    return any(statement.dropped for statement in top.walk())


def _only_binds(node: ast.stmt) -> bool:
    """Tell whether a statement has no other effect than to bind names or change their objects."""
    if isinstance(node, ast.Expr):
        return _is_mutator(node.value)
    kinds = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.FunctionDef | ast.ClassDef
    return isinstance(node, kinds)


def _streams(program: list[_Statement]) -> set[str]:
    """Names of streams of random numbers."""
    names = set()
    for top in program:
        for part in ast.walk(top.node):
            if isinstance(part, ast.Assign) and _is_stream(part.value):
                names |= stores(part)
    return names


def _is_stream(node: ast.AST) -> bool:
    """Tell whether an expression makes a stream of random numbers."""
    if isinstance(node, ast.Call) and _last(node.func) == "manual_seed":
        # torch.Generator().manual_seed(0)
        node = getattr(node.func, "value", node)
    return isinstance(node, ast.Call) and _last(node.func) in STREAMS


def _draws(node: ast.stmt, streams: set[str]) -> bool:
    """Tell whether a statement takes numbers from a stream that others take from too."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return False
    if loads(node) & streams:
        return True
    dotted = [ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)]
    shared = [name for name in dotted if not any(stream in name for stream in STREAMS)]
    return any(name.startswith(GLOBAL_STREAMS) for name in shared)


def _rebound(node: ast.stmt) -> set[str]:
    """Names that a statement binds whatever they were before."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        # "import a.b" adds to what "import a" has bound, and does not bind it anew.
        return {_bound(alias) for alias in node.names if alias.asname or "." not in alias.name}
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    parts = [part for target in targets for part in ast.walk(target)]
    names = [part for part in parts if isinstance(part, ast.Name)]
    return {part.id for part in names if isinstance(part.ctx, ast.Store)}


def _bound(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _root(node: ast.AST) -> str:
    """Return the name that an attribute or an item belongs to; none for that of an expression."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_mutator(node: ast.AST) -> TypeGuard[ast.Call]:
    """Tell whether an expression calls a method that changes its object."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in MUTATORS


def _is_call_of(node: ast.stmt, names: set[str]) -> bool:
    if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        return False
    return _last(node.value.func) in names


def _rewrite(source: str, statements: list[_Statement]) -> Pruned:
    """Remove the lines of what was dropped, with the comments above them."""
    lines: list[str | None] = list(source.splitlines())
    for top in statements:
        for statement in _innermost_first(top):
            _cut(lines, statement)
    text = re.sub(r"\n{4,}", "\n\n\n", "\n".join(line for line in lines if line is not None))
    text = text.strip("\n")
    reads = any(s.reads_records for top in statements for s in top.walk())
    if not any(not statement.dropped for statement in statements) and statements:
        text = ""
    return Pruned(text, reads)


def _cut(lines: list[str | None], statement: _Statement) -> None:
    node = statement.node
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))]) - 1
    last = node.end_lineno or node.lineno
    if statement.dropped:
        while first and re.fullmatch(r"\s*#.*", lines[first - 1] or ""):
            first -= 1
        lines[first:last] = [None] * (last - first)
    elif statement.instead:
        lines[first:last] = [None] * (last - first)
        lines[first] = " " * node.col_offset + ast.unparse(statement.instead)
    elif statement.lost:
        indent = " " * node.col_offset
        shorter = _shorter_import(node, statement.lost)
        lines[first:last] = [None] * (last - first)
        lines[first] = "\n".join(indent + line for line in shorter.splitlines())
    else:
        for block in statement.blocks:
            if block and all(child.dropped for child in block):
                # cut by now, for what is within comes first
                lines[block[0].node.lineno - 1] = " " * block[0].node.col_offset + "pass"


def _shorter_import(node: ast.stmt, lost: set[str]) -> str:
    """Write an import without some of its names, on one line or with a name a line."""
    assert isinstance(node, ast.Import | ast.ImportFrom)
    kept = [alias for alias in node.names if _bound(alias) not in lost]
    texts = [ast.unparse(alias) for alias in kept]
    if isinstance(node, ast.Import):
        return f"import {', '.join(texts)}"
    start = f"from {'.' * node.level}{node.module or ''} import"
    line = f"{start} {', '.join(texts)}"
    if len(line) + node.col_offset < 80:
        return line
    return "\n".join([f"{start} (", *(f"    {text}," for text in texts), ")"])


def loads_and_stores(source: str) -> tuple[set[str], set[str]]:
    r"""Names that a cell needs from cells before it, and those that it binds or changes.

    Parameters
    ----------
    source : str
        Code of the cell.

    Returns
    -------
    tuple of sets of str
        Both.

    Examples
    --------
    >>> loads_and_stores("a = b\nc = a")[0]
    {'b'}
    """
    needed: set[str] = set()
    changed: set[str] = set()
    for node in reversed(ast.parse(source).body):
        needed = (needed - _rebound(node)) | loads(node)
        changed |= stores(node)
    return needed, changed
