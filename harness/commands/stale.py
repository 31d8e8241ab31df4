"""The command `node-image stale`."""

from __future__ import annotations

import platform
from pathlib import Path

import click

from harness.commands.images import opened_access
from harness.commands.output import (
    FILE,
    Output,
    echo,
    filled,
    output_option,
    rendered,
    usable_input,
)
from harness.model.errors import InputError

_REPOSITORY = "URL|DIR"


@click.command("stale")
@click.option(
    "--base",
    "bases",
    metavar="REF",
    multiple=True,
    required=True,
    help="Newest base image of a RHEL. May be repeated, for several streams.",
)
@click.option("--node", "nodes", metavar="REF", multiple=True, help="Node image. May be repeated.")
@click.option(
    "--release",
    metavar="REF",
    default="",
    help="Release whose node images are judged; beside --node, whether it has that image.",
)
@click.option("--os-stream", metavar="NAME", default="", help="Take one stream of the release.")
@click.option(
    "--repo",
    "both",
    metavar=_REPOSITORY,
    callback=filled,
    multiple=True,
    help="Yum repository that both jobs read. $basearch is replaced. May be repeated.",
)
@click.option(
    "--base-repo",
    "of_base",
    metavar=_REPOSITORY,
    callback=filled,
    multiple=True,
    help="Yum repository that only the base job reads, such as RHEL's BaseOS.",
)
@click.option(
    "--node-repo",
    "of_node",
    metavar=_REPOSITORY,
    callback=filled,
    multiple=True,
    help="Yum repository that only the node job reads, such as OpenShift's.",
)
@click.option(
    "--arch",
    "architectures",
    metavar="ARCH",
    multiple=True,
    default=[platform.machine()],
    callback=filled,
    help="Architecture, as `uname -m` prints it. May be repeated. Default: the host's.",
)
@click.option(
    "--authfile",
    type=FILE,
    metavar="PATH",
    envvar="NODE_IMAGE_AUTHFILE",
    help="Credentials for registries, such as a pull secret.",
)
@click.option("--cert-dir", type=FILE, metavar="FOLDER", help="CA certificates of the registry.")
@output_option
def show_stale(
    bases: tuple[str, ...], nodes: tuple[str, ...], release: str, os_stream: str,
    both: tuple[str, ...], of_base: tuple[str, ...], of_node: tuple[str, ...],
    architectures: tuple[str, ...], authfile: Path | None, cert_dir: Path | None, output: Output,
) -> None:  # fmt: skip
    """Say which job must run: base image, node image, or none.

    A base job is needed if a repository has a newer version of a package of the base image; a node
    job, if the base image has newer packages than the node image, or a repository has a newer
    version of a package of the node layer. After a base job, a node job takes what it made.

    Exit status 0 if nothing must be built; 1 if a job must run; 2 if something cannot be read.
    """
    from harness.contract.rebuilding.stale_document import Stale, StalePart, sections
    from harness.contract.rebuilding.staleness import Job
    from harness.contract.rebuilding.staling import Question, judge
    from harness.images.acquire.url import shown_image

    every = frozenset(Job)
    groups = ((both, every), (of_base, frozenset({Job.BASE})), (of_node, frozenset({Job.NODE})))
    places = tuple((place, readers) for given, readers in groups for place in given)
    question = Question(
        bases=bases, nodes=nodes, release=release, stream=os_stream, repositories=places
    )
    parts: list[StalePart] = []
    with usable_input():
        if not (nodes or release):
            raise InputError("--node", "not given", "Add --node or --release.")
        for arch in dict.fromkeys(architectures):
            with opened_access(arch, authfile, cert_dir) as (access, limit):
                parts += judge(question, access, limit)
    found = Stale(repositories=tuple(shown_image(place) for place, _ in places), parts=tuple(parts))
    echo(rendered(found, sections(found), output), nl=False)
    if found.must_build:
        raise SystemExit(1)
