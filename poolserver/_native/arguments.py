"""What an argument must be, for the twins: arguments.h said in Python, with the same messages."""


def wrong_type(name: str, wanted: str, value: object) -> TypeError:
    return TypeError(f"{name} must be {wanted}, not {type(value).__name__}")


def as_bytes(value: object, name: str) -> bytes:
    if not isinstance(value, bytes):
        raise wrong_type(name, "bytes", value)
    return value


def as_sized(value: object, name: str, size: int) -> bytes:
    data = as_bytes(value, name)
    if len(data) != size:
        raise ValueError(f"{name} must be {size} bytes, is {len(data)}")
    return data


def as_uint(value: object, name: str, maximum: int) -> int:
    if not isinstance(value, int):
        raise wrong_type(name, "int", value)
    if not 0 <= value <= maximum:
        raise ValueError(f"{name} must be in 0..{maximum}")
    return value
