"""The functions' packages, uploaded under the digest of their content."""

import hashlib
import io
import re
import zipfile
from pathlib import Path

from botocore.exceptions import ClientError

from deploy import Refused
from deploy.account import Account
from deploy.template import Template

CODE_URI = re.compile(r"^(?P<key> *CodeUri: *)\.\./target/lambda/(?P<function>[a-z-]+)/ *$", re.MULTILINE)
# The field e_machine of an ELF header (the constants EM_X86_64 and EM_AARCH64 of elf.h).
MACHINES = {62: "x86_64", 183: "arm64"}


def architecture(artifacts: Path, template: Template) -> str:
    """The architecture for which the functions were built, read from the programs themselves."""
    found = {}
    for code in CODE_URI.finditer(template.text):
        program = artifacts / code["function"] / "bootstrap"
        header = _read(program)[:20]
        if header[:4] != b"\x7fELF":
            raise Refused(f"{program} is not a program for Linux: build it with `make package`.")
        machine = int.from_bytes(header[18:20], "little")
        found[code["function"]] = MACHINES.get(machine, f"unknown ({machine})")
    if not found:
        raise Refused("The template has no CodeUri of the form ../target/lambda/<function>/.")
    if len(set(found.values())) > 1:
        raise Refused(f"The functions were built for different architectures ({found}): build them again.")
    return found.popitem()[1]


def upload(account: Account, artifacts: Path, template: Template) -> str:
    """Uploads the functions. Returns the template with their locations."""
    _create_bucket(account)

    def uploaded(code: re.Match) -> str:
        archive = package(artifacts, code["function"])
        # CloudFormation detects new code by the key.
        key = f"{code['function']}/{hashlib.sha256(archive).hexdigest()}.zip"
        put(account, key, archive)
        return f"{code['key']}s3://{account.bucket}/{key}"

    return CODE_URI.sub(uploaded, template.text)


def put(account: Account, key: str, content: bytes, metadata: dict[str, str] | None = None) -> str:
    """Stores an object in the account's bucket. Returns its URL for CloudFormation."""
    s3 = account.client("s3")
    s3.put_object(
        Bucket=account.bucket, Key=key, Body=content, Metadata=metadata or {}, ExpectedBucketOwner=account.id)
    return f"{s3.meta.endpoint_url}/{account.bucket}/{key}"


def package(artifacts: Path, function: str) -> bytes:
    """The package that `make package` made of the program, which contains licences too and whose digest is published; else
    one of the program alone."""
    program = _read(artifacts / function / "bootstrap")
    made = artifacts / f"{function}.zip"
    if made.is_file():
        with zipfile.ZipFile(made) as archive:
            if archive.read("bootstrap") == program:
                return made.read_bytes()
    return zipped(program)


def zipped(program: bytes) -> bytes:
    """A deployment package with one executable. The same program always gives the same bytes."""
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100755 << 16
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        package.writestr(entry, program)
    return archive.getvalue()


def _read(program: Path) -> bytes:
    try:
        return program.read_bytes()
    except OSError as error:
        raise Refused(f"{program}: {error.strerror}. Build the functions with `make package`.") from error


def _create_bucket(account: Account) -> None:
    s3 = account.client("s3")
    try:
        s3.head_bucket(Bucket=account.bucket, ExpectedBucketOwner=account.id)
        return
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise Refused(f"The bucket {account.bucket} is not ours or not accessible: {error}.") from error
    # us-east-1 must not be named (Amazon S3 API, CreateBucketConfiguration).
    location = {} if account.region == "us-east-1" else {
        "CreateBucketConfiguration": {"LocationConstraint": account.region}}
    s3.create_bucket(Bucket=account.bucket, **location)
    # New buckets are private and encrypted anyway; this keeps them from being opened.
    s3.put_public_access_block(
        Bucket=account.bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True,
        },
    )
