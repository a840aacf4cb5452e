"""What a rig tells of itself, made up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class News:
    worker: str = "sahiwal.a1"
    account: str = "sahiwal"
    address: str = "10.0.0.1"
    user_agent: str = "cgminer/4.11.1"
    hardware: str = ""
    watts: int | None = None
    j_per_th: str | None = None
    share_work: float = 4.0
    sessions: int = 1
