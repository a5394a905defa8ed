"""What tests of directories came to, as a table: a row for each case, a column for each kind."""


def rows(outcomes, kinds):
    """`outcomes`: pairs of a test's id and what it came to. A case with parameters of its own passes when all do."""
    cases = {}
    for test, outcome in outcomes:
        case, _, parameters = test.rpartition("::test_")[2].partition("@")[0].partition("[")
        kind = next((kind for kind in kinds if kind in parameters.rstrip("]").split("-")), None)
        if kind:
            cells = cases.setdefault(case, {})
            cells[kind] = outcome if cells.get(kind, "passed") == "passed" else cells[kind]
    width = max(map(len, cases), default=0)
    head = [f"{'case':{width}}  " + "  ".join(kinds)]
    return head + [f"{case.replace('_', ' '):{width}}  " + "  ".join(
        f"{cells.get(kind, '-'):{len(kind)}}" for kind in kinds).rstrip() for case, cells in cases.items()]
