"""Unpacks parts of wheels and verifies each file against the wheel's own RECORD.

Reads a job list as JSON from the first argument:
[{"wheel": path, "prefix": "torch/lib/", "names": [..] or null, "to": folder}, ..]
With names, only these files directly under the prefix; with null, all files below it, of which
"libraries_only" leaves the shared libraries.
"""

import base64
import csv
import hashlib
import io
import json
import os
import sys
import time
import zipfile

CHUNK_BYTES = 1 << 20


def records(archive):
    """name -> (sha256 in RECORD's form, size in bytes)"""
    listing = [n for n in archive.namelist() if n.endswith(".dist-info/RECORD")]
    if len(listing) != 1:
        sys.exit("the wheel has no RECORD: it is damaged")
    rows = csv.reader(io.TextIOWrapper(archive.open(listing[0]), "utf-8"))
    return {row[0]: (row[1], row[2]) for row in rows if row}


def chosen(archive, job):
    members = []
    for member in archive.infolist():
        if member.is_dir() or not member.filename.startswith(job["prefix"]):
            continue
        relative = member.filename[len(job["prefix"]):]
        if ".." in relative.split("/") or relative.startswith("/"):
            sys.exit(f"the wheel names a file outside its folder: {member.filename}")
        if job.get("libraries_only") and ".so" not in relative:
            continue
        if job["names"] is None or relative in job["names"]:
            members.append((member, relative))
    lacking = set(job["names"] or []) - {relative for _, relative in members}
    if lacking or not members:
        sys.exit(f"{os.path.basename(job['wheel'])} lacks {sorted(lacking) or job['prefix']}")
    return members


def unpack(archive, member, path, record, report):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(member) as source, open(path, "wb") as sink:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            sink.write(chunk)
            report(len(chunk))
    text = "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    if record != (text, str(member.file_size)):
        sys.exit(f"{member.filename} is not what the wheel's RECORD says: the download is damaged")
    mode = (member.external_attr >> 16) & 0o777
    os.chmod(path, mode or 0o644)


def progress(total_bytes):
    interactive = sys.stderr.isatty()
    state = {"done": 0, "shown": time.monotonic()}

    def report(count):
        state["done"] += count
        now = time.monotonic()
        if now - state["shown"] >= (0.2 if interactive else 5.0) or state["done"] == total_bytes:
            state["shown"] = now
            line = f"Unpacking and verifying: {state['done'] >> 20} of {total_bytes >> 20} MiB"
            end = "\r" if interactive and state["done"] < total_bytes else "\n"
            print(line, end=end, file=sys.stderr, flush=True)

    return report


def main():
    work = []
    for job in json.loads(sys.argv[1]):
        try:
            archive = zipfile.ZipFile(job["wheel"])
        except zipfile.BadZipFile:
            sys.exit(f"{job['wheel']} is no wheel: the download is damaged")
        listed = records(archive)
        for member, relative in chosen(archive, job):
            path = os.path.join(job["to"], relative)
            work.append((archive, member, path, listed.get(member.filename)))
    report = progress(sum(member.file_size for _, member, _, _ in work))
    for archive, member, path, record in work:
        unpack(archive, member, path, record, report)


main()
