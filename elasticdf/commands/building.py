"""From a project to binaries, and from binaries to the artifact."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from elasticdf import flow
from elasticdf.artifact.oci import check_layout, export_oci, import_oci
from elasticdf.commands.arguments import add_loader, loader_of
from elasticdf.commands.command import Command, CommandResult
from elasticdf.errors import UserError
from elasticdf.options import PackageOptions
from elasticdf.progress import Report


def _build_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="the project folder")
    parser.add_argument("--emulate", action="store_true", help="binaries for emulated boards")
    add_loader(parser, "the one it was partitioned for")


def _build(options: Namespace, report: Report) -> CommandResult:
    if not options.emulate:
        raise UserError(
            f"binaries for real boards need the vendor tools: run make -C {options.directory}; "
            "for emulated boards add --emulate"
        )
    files = flow.build_emulated(options.directory, report, loader_of(options))
    names = [str(path) for path in files]
    return CommandResult(
        document={"binaries": names}, text="\n".join(f"wrote {name}" for name in names)
    )


def _package_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", nargs="?", help="the project folder")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="where the artifact goes (default DIR/artifact)",
    )
    add_loader(parser, "the one it was partitioned for")
    parser.add_argument("--bitstream-id", metavar="ID", help="dotted name (default org.elasticdf)")
    parser.add_argument(
        "--artifact-version",
        metavar="VERSION",
        help="last part of the name (default: tells the mode)",
    )
    parser.add_argument("--oci", type=Path, metavar="DIR", help="write an OCI layout as well")
    parser.add_argument("--from-oci", type=Path, metavar="DIR", help="rebuild from an OCI layout")


def _package(options: Namespace, report: Report) -> CommandResult:
    report("packing")
    if options.from_oci is not None:
        if options.directory is not None or options.output is None:
            raise UserError("--from-oci rebuilds an artifact: give -o OUT and no project folder")
        for name in ("oci", "loader", "bitstream_id", "artifact_version"):
            if getattr(options, name) is not None:
                raise UserError(
                    "--from-oci rebuilds an artifact as it was; leave out "
                    f"--{name.replace('_', '-')}"
                )
        layout = import_oci(options.from_oci, options.output)
        return CommandResult(document=layout.to_json(), text=layout.to_text())
    if options.directory is None:
        raise UserError("package needs a project folder, or --from-oci with -o OUT")
    if options.oci is not None:
        check_layout(options.oci)
    packed = flow.package(
        PackageOptions(
            directory=options.directory,
            output=options.output,
            loader=loader_of(options),
            bitstream_id=options.bitstream_id,
            version=options.artifact_version,
        )
    )
    if options.oci is not None:
        report("writing the OCI layout")
        export_oci(packed.folder, options.oci)
    return CommandResult(document=packed.to_json(), text=packed.to_text())


BUILD = Command(arguments=_build_arguments, run=_build)
PACKAGE = Command(arguments=_package_arguments, run=_package)
