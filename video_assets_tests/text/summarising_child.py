"""Summarises a lecture as a process of its own, which a test then kills: URL, storage folder, sentences."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr

from video_assets.artifacts.answers import Answers
from video_assets.storage.local import LocalStorage
from video_assets.text.llm.asking import Asker
from video_assets.text.llm.budget import Budget, Ceiling, Prices
from video_assets.text.llm.language_model import LanguageModel
from video_assets.text.llm.mapreduce import summarize
from video_assets.text.llm.server import Server
from video_assets_tests.text.making import lecture

if __name__ == "__main__":
    url, folder, count, size = sys.argv[1:]
    model = LanguageModel(Server("stand-in", url, SecretStr("key")))
    budget = Budget(Prices(0.15, 0.6), Ceiling())
    asker = Asker(model, Answers(LocalStorage(Path(folder))), 1, budget)
    print(summarize(lecture(int(count)), asker, chunk_tokens=int(size)).model_dump_json())
