"""A double of the Hugging Face hub's library, with the names of it that we use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class HubDouble:
    """Holds files by ``OWNER/REPO/FILE``; raises what it is told to raise."""

    files: dict[str, bytes] = field(default_factory=dict)
    error: Exception | None = None
    etag: str | None = None
    bars: bool = True
    asked: list[str] = field(default_factory=list)

    @property
    def utils(self) -> HubDouble:
        return self

    def are_progress_bars_disabled(self) -> bool:
        return not self.bars

    def disable_progress_bars(self) -> None:
        self.bars = False

    def enable_progress_bars(self) -> None:
        self.bars = True

    def hf_hub_url(self, repo: str, path: str) -> str:
        return f"{repo}/{path}"

    def get_hf_file_metadata(self, url: str) -> SimpleNamespace:
        self.asked.append(url)
        if self.error:
            raise self.error
        content = self.files[url]
        etag = self.etag or hashlib.sha256(content).hexdigest()
        return SimpleNamespace(size=len(content), etag=etag, commit_hash=REVISION)

    def hf_hub_download(self, repo: str, path: str, *, revision: str, local_dir: Path) -> str:
        assert revision == REVISION, "what is fetched is what was looked at"
        assert not self.bars, "two bars would be drawn over each other"
        target = local_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (local_dir / ".cache" / "huggingface").mkdir(parents=True)
        target.write_bytes(self.files[f"{repo}/{path}"])
        return str(target)
