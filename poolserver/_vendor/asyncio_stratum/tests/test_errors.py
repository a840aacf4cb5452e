import pytest

from .. import ErrorCode, Fault, Malformed, ProtocolError, StratumError, errors


def test_the_tree_in_the_docstring_names_every_exception() -> None:
    def tree(kind: type[Exception]) -> set[str]:
        return {kind.__name__}.union(*(tree(child) for child in kind.__subclasses__()))

    assert errors.__doc__ is not None
    shown = errors.__doc__.split("::")[1]
    assert {name for name in tree(ProtocolError) if name not in shown} == set()


def test_a_fault_is_told_by_its_label_and_its_detail() -> None:
    assert Malformed(1, Fault.MALFORMED, "nonce is not 8 hex digits").error == StratumError(
        20, "malformed: nonce is not 8 hex digits"
    )
    assert Malformed(1, Fault.INVALID_ID).error == StratumError(20, "invalid_id")


@pytest.mark.parametrize("fault", Fault)
def test_only_not_subscribed_has_a_code_of_its_own(fault: Fault) -> None:
    own = fault is Fault.NOT_SUBSCRIBED
    assert fault.code is (ErrorCode.NOT_SUBSCRIBED if own else ErrorCode.OTHER)
