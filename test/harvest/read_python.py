# Reads request names out of the sources of one Python package: fields of classes, parameters of functions, keys that code
# looks up in a request, and lists of names. Nothing of the package is imported or run. Argument: a JSON file {"root", "rules"};
# standard output: a JSON list of [name, place, from].

import ast
import json
import pathlib
import re
import sys

NAME = re.compile(r"^[A-Za-z_$][A-Za-z0-9_.$-]{0,79}$")
LOOKUPS = {"get", "pop", "setdefault"}


def text_of(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def last_name(node):
    """`data` of `data`, `self.data` and `data()`."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.BoolOp):
        return last_name(node.values[0])
    return node.id if isinstance(node, ast.Name) else None


def wire_name(statement):
    """A field's name on the wire: its alias where it has one."""
    names = [statement.target.id]
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call):
            continue
        if last_name(node.func) in ("wire", "PropertyInfo") and node.args:
            names.append(text_of(node.args[0]))
        for keyword in node.keywords:
            if keyword.arg in ("alias", "validation_alias", "serialization_alias"):
                names += [text_of(each) for each in ast.walk(keyword.value)]
    return [name for name in names if name is not None]


def class_fields(tree, pattern):
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and pattern.search(node.name):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield from wire_name(statement)
        # TypedDicts whose keys are no identifiers: Name = TypedDict("Name", {...})
        if isinstance(node, ast.Call) and last_name(node.func) == "TypedDict" and len(node.args) > 1:
            if pattern.search(text_of(node.args[0]) or "") and isinstance(node.args[1], ast.Dict):
                yield from (text_of(key) for key in node.args[1].keys)


def parameters(tree, pattern):
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and pattern.search(node.name):
            arguments = node.args
            for each in arguments.posonlyargs + arguments.args + arguments.kwonlyargs:
                yield each.arg


def lists(tree, pattern):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets = [last_name(target) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            targets = [last_name(node.target)]
        else:
            continue
        if node.value is not None and any(name and pattern.search(name) for name in targets):
            yield from (text_of(each) for each in ast.walk(node.value))


def looked_up(tree, pattern):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in LOOKUPS and node.args and is_named(node.func.value, pattern):
                yield text_of(node.args[0])
        elif isinstance(node, ast.Subscript) and is_named(node.value, pattern):
            yield text_of(node.slice)
        elif isinstance(node, ast.Compare) and len(node.ops) == 1:
            if isinstance(node.ops[0], (ast.In, ast.NotIn)) and is_named(node.comparators[0], pattern):
                yield text_of(node.left)


def is_named(node, pattern):
    name = last_name(node)
    return name is not None and pattern.search(name) is not None


def set_keys(tree, pattern):
    """google-genai's converters, `setv(parent_object, ['tools'], ...)`; the pattern is on `function.variable`."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Call) or last_name(node.func) != "setv" or len(node.args) < 2:
                continue
            way = node.args[1].elts if isinstance(node.args[1], ast.List) else []
            if way and pattern.search(f"{function.name}.{last_name(node.args[0])}"):
                yield text_of(way[0])


READERS = {
    "classes": class_fields,
    "parameters": parameters,
    "lists": lists,
    "lookups": looked_up,
    "setv": set_keys,
}


def main():
    wanted = json.loads(pathlib.Path(sys.argv[1]).read_text())
    root = pathlib.Path(wanted["root"])
    trees = {}
    found = {}
    for rule in wanted["rules"]:
        files = sorted(path for glob in rule["files"] for path in root.glob(glob))
        if not files:
            sys.exit(f"no file of the package matches {rule['files']}")
        pattern = re.compile(rule["names"])
        read = READERS[rule["read"]]
        for path in files:
            if path not in trees:
                trees[path] = ast.parse(path.read_text(encoding="utf-8"))
            for name in read(trees[path], pattern):
                if name is None:
                    continue
                # Python's keywords end in an underscore where a field is called like them: async_, format_.
                shown = name.lower() if rule["place"] == "header" else name.removesuffix("_")
                if NAME.match(shown) and shown not in ("self", "cls", "_url", "_query"):
                    found.setdefault((shown, rule["place"]), str(path.relative_to(root)))
    json.dump([[name, place, file] for (name, place), file in sorted(found.items())], sys.stdout)


main()
