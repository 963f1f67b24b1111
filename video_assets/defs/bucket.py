"""The bucket as a Dagster resource: dagster-aws's, with our signing, addressing and time-outs."""

from dagster_aws.s3 import S3Resource
from pydantic import Field

from video_assets.settings import Settings
from video_assets.storage.s3_client import S3Options, make_client


class Bucket(S3Resource):
    """dagster-aws's S3 resource, with clients that sign with s3v4, address buckets as the server needs it and have
    time-outs; its own settings cover none of these. The storage uses the same kind of client."""

    path_style: bool | None = Field(default=None, description="host/bucket/key instead of bucket.host/key.")

    def get_client(self) -> object:
        """A boto3 client of S3."""
        return make_client(
            S3Options(
                endpoint_url=self.endpoint_url,
                region=self.region_name,
                path_style=self.path_style,
                max_attempts=self.max_attempts,
            )
        )


def bucket_of(settings: Settings) -> Bucket:
    """The resource for these settings. It holds no keys: boto3 finds them where AWS's tools do."""
    return Bucket(
        endpoint_url=settings.s3_endpoint_url or None,
        region_name=settings.s3_region or None,
        path_style=settings.s3_path_style,
    )
