"""The boto3 client of the S3 storage: signing, addressing and retries of requests, and our errors for its failures.

The storage is given a client and does not make one. So under Dagster the client can come from dagster-aws's S3Resource
(`defs/bucket.py`), and this package does not know Dagster. boto3 finds the keys where AWS's own tools do (environment,
profile, role of the machine), so no secret passes through our settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import exceptions as boto
from botocore.config import Config
from s3transfer.exceptions import RetriesExceededError

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.storage.base import Full

CONNECT_SECONDS = 10
READ_SECONDS = 60


@dataclass(frozen=True)
class S3Options:
    """The options of a client, apart from the keys."""

    endpoint_url: str | None = None
    """The address of a server that is not Amazon's."""
    region: str | None = None
    path_style: bool | None = None
    """`host/bucket/key` instead of `bucket.host/key`; None: only with an `endpoint_url`."""
    max_attempts: int = 5
    """How often a request is sent at most. If all fail, a TransientError is raised."""


def make_client(options: S3Options) -> Any:
    """A client with these options. Threads may share it. Opens no connection."""
    path_style = bool(options.endpoint_url) if options.path_style is None else options.path_style
    with in_words("the storage"):
        return boto3.session.Session().client(
            "s3",
            endpoint_url=options.endpoint_url,
            region_name=options.region,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if path_style else "auto"},
                retries={"mode": "standard", "total_max_attempts": options.max_attempts},
                connect_timeout=CONNECT_SECONDS,
                read_timeout=READ_SECONDS,
                max_pool_connections=16,
            ),
        )


_REFUSED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
_WRONG_KEYS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "TokenRefreshRequired",
        "XAdminUserNotFound",
        "AuthFailure",
    }
)
_WRONG_REGION = frozenset(
    {
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "IncorrectEndpoint",
        "301",
        "307",
    }
)
_LATER = frozenset(
    {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TooManyRequests",
        "RequestTimeout",
        "BandwidthLimitExceeded",
        "429",
    }
)
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"})


def code_of(error: boto.ClientError) -> str:
    """S3's error code; the HTTP status for answers to HEAD, which have no code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: boto.ClientError) -> int:
    """The HTTP status; 0 if there was none."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)


@contextmanager
def in_words(where: str) -> Iterator[None]:
    """Turns exceptions of boto3 into our errors, with one line each. `where` names the bucket."""
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error, where) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound) as error:
        raise PermanentError(
            f"{where}: there are no keys for it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        ) from error
    except boto.SSLError as error:
        raise PermanentError(
            f"{where}: its certificate is not trusted; correct VIDEO_ASSETS_S3_ENDPOINT_URL, or set AWS_CA_BUNDLE"
        ) from error
    except (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError, boto.FlexibleChecksumError) as error:
        raise TransientError(f"{where} did not answer ({_kind(error)}){_at(error)}") from error
    except RetriesExceededError as error:
        raise TransientError(f"{where} broke off again and again ({_kind(error.last_exception)})") from error
    except (boto.NoRegionError, boto.InvalidRegionError) as error:
        raise PermanentError(f"{where}: no valid region is set; set VIDEO_ASSETS_S3_REGION") from error
    except (boto.BotoCoreError, ValueError) as error:
        raise PermanentError(one_line(f"{where}: {_kind(error)}; check the VIDEO_ASSETS_S3_ settings")) from error


def _refusal(error: boto.ClientError, where: str) -> Exception:
    code, status = code_of(error), status_of(error)
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if code in _FULL:
        return Full(f"{where} is full ({code}); free some space there and try again")
    if code in _LATER or status in (409, 429) or (status >= 500 and status != 501):
        return TransientError(f"{where} is not ready ({code or status})", retry_after=_seconds(headers))
    if code == "NoSuchBucket":
        return PermanentError(f"{where} does not exist; create the bucket, or correct the URL that names it")
    if code in _WRONG_REGION or (status == 400 and code == "400"):
        region = headers.get("x-amz-bucket-region") or error.response.get("Error", {}).get("Region")
        place = f"in region {one_line(str(region), 40)}" if region else "in another region"
        return PermanentError(f"{where} is {place} ({code}); set VIDEO_ASSETS_S3_REGION")
    if code in _WRONG_KEYS:
        return PermanentError(f"{where} does not take our keys ({code}); correct AWS_ACCESS_KEY_ID and its secret")
    if code in _REFUSED or status == 403:
        return PermanentError(
            f"{where} refuses us ({code}); the keys need the rights to list it, and to get, put and delete its objects"
        )
    words = error.response.get("Error", {}).get("Message") or status
    return PermanentError(one_line(f"{where} refuses this ({code}): {words}", 300))


def _seconds(headers: dict[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None


def _kind(error: Exception) -> str:
    return type(error).__name__.removesuffix("Error")


def _at(error: Exception) -> str:
    """The host that was asked, as a question for the message. The rest of the URL may hold secrets and is left out."""
    parts = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", "")))
    return f"; is {parts.hostname}:{parts.port or parts.scheme} up?" if parts.hostname else ""
