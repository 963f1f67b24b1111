"""Making the buckets that settings name, for installations whose S3 server is their own."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as boto

from video_assets.storage.s3_client import code_of, in_words, status_of


def bucket_names(*places: str) -> list[str]:
    """The buckets of `s3://bucket/prefix` URLs and plain bucket names, each once; other places have none."""
    found: list[str] = []
    for place in places:
        name = (urlsplit(place).hostname or "") if place.startswith("s3://") else place
        if name and "/" not in name and name not in found:
            found.append(name)
    return found


def ensure_bucket(client: Any, name: str) -> bool:
    """Makes the bucket where there is none; whether it was made. In the client's region. Harmless when several
    do it at once."""
    with in_words(f"the bucket {name}"):
        try:
            client.head_bucket(Bucket=name)
        except boto.ClientError as error:
            if status_of(error) != 404:
                raise
        else:
            return False
        region = client.meta.region_name
        # Amazon refuses its oldest region by name, and asks for every other.
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            client.create_bucket(Bucket=name, **place)
        except boto.ClientError as error:
            if code_of(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
            client.head_bucket(Bucket=name)  # somebody else's would be refused here
            return False
    return True
