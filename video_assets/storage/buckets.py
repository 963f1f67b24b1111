"""Creates the buckets that the settings name, for installations with an S3 server of their own."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as boto

from video_assets.storage.s3_client import code_of, in_words, status_of


def bucket_names(*places: str) -> list[str]:
    """The buckets in `places`, each once. A place is an `s3://bucket/prefix` URL or a bucket's name; anything else has
    no bucket."""
    found: list[str] = []
    for place in places:
        name = (urlsplit(place).hostname or "") if place.startswith("s3://") else place
        if name and "/" not in name and name not in found:
            found.append(name)
    return found


def ensure_bucket(client: Any, name: str) -> bool:
    """Creates the bucket in the client's region if it does not exist; returns whether it did. Several processes may do
    so at the same time."""
    with in_words(f"the bucket {name}"):
        try:
            client.head_bucket(Bucket=name)
        except boto.ClientError as error:
            if status_of(error) != 404:
                raise
        else:
            return False
        region = client.meta.region_name
        # Amazon refuses the name of its oldest region here, and requires that of every other.
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            client.create_bucket(Bucket=name, **place)
        except boto.ClientError as error:
            if code_of(error) not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise
            client.head_bucket(Bucket=name)  # raises if the bucket belongs to somebody else
            return False
    return True
