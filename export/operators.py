"""Which operators a LiteRT file uses, and which it must not."""

import pathlib

from export.errors import ExportError

# Operators that the stock runtimes lack, or that hold state between calls.
REFUSED = ("CUSTOM", "DELEGATE", "VARIABLE", "VAR_HANDLE", "HASHTABLE")


def operators(path: pathlib.Path) -> set[str]:
    """Reads the names of the operators that a LiteRT file uses.

    Args:
        path: The file.

    Returns:
        Names as in the schema, such as `"WHILE"`; `"CUSTOM FlexErf"` for an
        operator that is not builtin.

    Raises:
        ImportError: If ai-edge-litert is missing.
    """
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError as error:
        raise ImportError(
            f"The operator check needs ai-edge-litert ({error}). "
            "Install it: pip install ai-edge-litert"
        ) from error
    names = {
        value: name
        for name, value in vars(schema.BuiltinOperator).items()
        if isinstance(value, int)
    }
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    found = set()
    for index in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(index)
        # Old files hold the code in a byte, new ones in an integer.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = names.get(number, f"unknown operator {number}")
        custom = code.CustomCode()
        found.add(f"{name} {custom.decode()}" if custom else name)
    return found


def refuse_operators(names: set[str]) -> None:
    """Raises an error if an operator is one that the stock runtime lacks.

    Args:
        names: What `operators` returned.

    Raises:
        ExportError: If one of them is refused; the message names them.

    Example:

    >>> refuse_operators({"ADD", "WHILE"})
    """
    refused = sorted(
        name for name in names if any(word in name for word in REFUSED)
    )
    if refused:
        raise ExportError(
            "The model needs operators that the stock LiteRT runtime lacks "
            f"or that keep state between calls: {', '.join(refused)}.",
            "Replace the layer that uses them, or export a SavedModel.",
        )
