"""The command line: arguments in, one call, its result out (`--json`: as one JSON object on standard output).

Exit status: 0 done, 2 the request or its input is wrong (one sentence on standard error), 1 a bug (a traceback), 130 cancelled.
What a command needs is imported when it runs, so that `--help` and the light commands answer at once.
"""

from __future__ import annotations

import argparse
import errno
import getpass
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hai_core import __version__, progress
from hai_core.progress import count
from hai_core.records import FINDING_KINDS
from hai_core.workspace import InputError, Workspace, lock, read_table, without_secrets, write_atomic, write_table

Result = dict[str, Any]
# What the system refuses to do with a file or folder: no bug of ours, wherever it comes up.
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG,
           errno.EEXIST)
DEFAULT_BACKBONE = "tf_efficientnet_lite0"
FIND_OPTIONS = ("backbone", "seed", "no_embeddings", "against", "all", "projection", "clusters", "distance", "run")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    job = Path(os.environ["HAI_JOB"]) if "HAI_JOB" in os.environ else None
    signal.signal(signal.SIGTERM, _interrupt)
    progress.report_to(terminal=True, file=job / "progress.json" if job else None)
    code, result = 1, None
    try:
        arguments = parser().parse_args(words)
        arguments.words = words
        result = arguments.act(arguments)
        code = 0
        if arguments.json:
            print(json.dumps(result, ensure_ascii=False, default=str))
    except SystemExit as wrong_usage:  # argparse, which has said what is wrong
        code = int(wrong_usage.code or 0)
    except InputError as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        code = 2
    except OSError as refusal:
        if refusal.errno not in _DENIED:
            raise
        print(f"error: {refusal.filename or 'a file'}: {(refusal.strerror or str(refusal)).lower()}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("cancelled; the same command goes on where this one stopped", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    finally:
        if job:
            write_atomic(job / "exit.json", json.dumps({"code": code, "result": result}, ensure_ascii=False, default=str))
    return code


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    """Every command with its options; what each runs is in `act`."""
    top = argparse.ArgumentParser(prog="python -m hai_core", description="Curate and train fine-grained image classifiers.")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], Result], text: str, *, workspace: bool | None = True,
                under: Any = commands) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = under.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if workspace is not None:
            added.add_argument("-w", "--workspace", type=Path, required=workspace, metavar="WORKSPACE", help="workspace folder")
        added.add_argument("--json", action="store_true", help="print the result as one JSON object")
        added.set_defaults(act=run)
        return added

    def group(name: str, text: str) -> Any:
        return commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".").add_subparsers(
            metavar="ACTION", required=True)

    demo = command("demo", _demo, "write the demo dataset; with -w also make a workspace of it and index it", workspace=False)
    demo.add_argument("out", type=Path, metavar="OUT", help="folder to write: images/ and truth.csv")
    demo.add_argument("--seed", type=int, default=0)

    init = command("init", _init, "make a workspace for a folder of images", workspace=None)
    init.add_argument("workspace", type=Path, metavar="WORKSPACE", help="folder to make")
    init.add_argument("--images", type=Path, required=True, metavar="DIR", help="image root: a folder for each class")
    init.add_argument("--labels", type=Path, metavar="CSV", help="columns path,label, instead of a folder for each class")
    init.add_argument("--holdout", type=float, default=0.15, metavar="SHARE",
                      help="share of the images set aside and never trained on (default 0.15; 0: none)")
    init.add_argument("--seed", type=int, default=0, help="decides which images are the holdout")

    relink = command("relink", _relink, "point a workspace at its images' new place")
    relink.add_argument("--images", type=Path, required=True, metavar="DIR")

    index = command("index", _index, "build or refresh the catalog")
    index.add_argument("--verify", action="store_true", help="read all files again, also those that look unchanged")

    embed = command("embed", _embed, "compute the features of all images")
    embed.add_argument("--backbone", default=DEFAULT_BACKBONE, metavar="NAME",
                       help=f"a timm model, or NAME=WEIGHTS_FILE (default {DEFAULT_BACKBONE})")

    find = command("find", _find, "look for suspicious images, labels and classes")
    find.add_argument("kinds", nargs="+", choices=FINDING_KINDS, metavar="KIND", help=", ".join(FINDING_KINDS))
    find.add_argument("--out", type=Path, metavar="FILE", help="write the table here too (.csv or .parquet)")
    find.add_argument("--backbone", metavar="NAME", help=f"features to use (default {DEFAULT_BACKBONE})")
    find.add_argument("--seed", type=int, help="of what is random: folds, clusters, map (default 0)")
    find.add_argument("--no-embeddings", action="store_true", help="duplicates: by hashes only")
    find.add_argument("--against", type=Path, metavar="DIR", help="duplicates: copies of this other folder's images")
    find.add_argument("--all", action="store_true", help="quality: also what is within the limits")
    find.add_argument("--projection", choices=("tsne", "umap", "pca"), help="clusters: how the map is made")
    find.add_argument("--run", metavar="RUN", help="clusters: features as this trained run sees them, instead of a backbone's")
    amount = find.add_mutually_exclusive_group()
    amount.add_argument("--clusters", type=int, metavar="K", help="clusters: how many")
    amount.add_argument("--distance", type=float, metavar="D", help="clusters: where to cut the tree instead")

    decide = command("decide", _decide, "write decisions into the journal, as one batch that can be undone")
    source = decide.add_mutually_exclusive_group(required=True)
    source.add_argument("--from", dest="source", type=Path, metavar="D.csv",
                        help="columns action,path,class,other,value,reason")
    source.add_argument("--accept", type=Path, metavar="F.csv", help="take the suggestions of a finding table")
    decide.add_argument("--above", type=float, metavar="S",
                        help="with --accept: only suggestions of at least this strength, 0 .. 1")
    decide.add_argument("--skip-invalid", action="store_true", help="write the possible ones and list the others")
    _author(decide)

    for name, run in (("undo", _undo), ("redo", _redo)):
        switch = command(name, run, f"{name} a batch of decisions (default: the last)")
        switch.add_argument("--batch", metavar="ID")
        _author(switch)

    journal = group("journal", "write all decisions to a file, or read them back")
    for name, run in (("export", _journal_export), ("restore", _journal_restore)):
        switch = command(name, run, f"{name} the journal (JSON Lines)", under=journal)
        switch.add_argument("file", type=Path, metavar="FILE.jsonl")

    series = group("series", "write the series of every class to a file, or read them from one")
    exported = command("export", _series_export, "write columns class,series", under=series)
    exported.add_argument("file", type=Path, metavar="FILE.csv")
    imported = command("import", _series_import, "decide the series of classes, as one batch", under=series)
    imported.add_argument("file", type=Path, metavar="FILE.csv")
    _author(imported)

    manifest = group("manifest", "freeze what to train on; compare and export")
    build = command("build", _manifest_build, "freeze catalog and decisions into a manifest", under=manifest)
    build.add_argument("--out", type=Path, metavar="DIR", help="folder to write (default: in the workspace)")
    difference = command("diff", _manifest_diff, "what changed from manifest A to B", workspace=None, under=manifest)
    difference.add_argument("a", type=Path, metavar="A")
    difference.add_argument("b", type=Path, metavar="B")
    export = command("export", _manifest_export, "copy a manifest's images, or its table, for other programs", workspace=None,
                     under=manifest)
    export.add_argument("manifest", type=Path, metavar="M")
    export.add_argument("--format", required=True, choices=("imagefolder", "csv", "fiftyone"))
    export.add_argument("--out", type=Path, required=True, metavar="DIR")
    export.add_argument("--images", type=Path, metavar="DIR", help="image root (default: where the manifest was built)")
    export.add_argument("--spreadsheet", action="store_true", help="csv: escape what a spreadsheet would run as a formula")

    train = command("train", _train, "train an ensemble on a manifest", workspace=False)
    train.add_argument("--manifest", required=True, metavar="M", help="a manifest's folder, here or at an fsspec URL (s3://...)")
    train.add_argument("--images", metavar="DIR",
                       help="image root, here or at an fsspec URL (default: where the manifest was built)")
    train.add_argument("--push", metavar="URL", help="copy the run there after each member, and go on with an unfinished one")
    train.add_argument("--config", default="default", metavar="C", help="a preset's name or a YAML file (default: default)")
    train.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE", help="change one value")
    train.add_argument("--wait", action="store_true", help="start when the trainings started so before are done")
    train.add_argument("--trial", action="store_true", help="fine-tuning: take a few steps, and tell how long all would take")

    runs = group("runs", "copy runs to and from another machine, by any fsspec URL")
    push = command("push", _runs_push, "copy a run's folder to a URL", workspace=False, under=runs)
    push.add_argument("--run", dest="trained", required=True, metavar="RUN", help="run folder, or its name with -w")
    push.add_argument("url", metavar="URL")
    pull = command("pull", _runs_pull, "bring the finished runs at a URL that the workspace lacks", under=runs)
    pull.add_argument("url", metavar="URL")

    predict = command("predict", _predict, "class probabilities of a folder of images", workspace=False)
    predict.add_argument("--run", dest="trained", required=True, metavar="RUN", help="run folder, or its name with -w")
    predict.add_argument("--images", type=Path, required=True, metavar="DIR")
    predict.add_argument("--out", type=Path, required=True, metavar="P.csv")
    predict.add_argument("--tta", type=int, metavar="N", help="views averaged: 1 the image, 2 its mirror image too")
    predict.add_argument("--expand", choices=("prior", "share", "first"), default="prior",
                         help="how a merged class's probability goes to its original classes (default: by training images)")
    predict.add_argument("--like", type=Path, metavar="SAMPLE.csv", help="take columns and row order from this file")

    compare = command("compare", _compare, "whether a second run is better than a first, on the holdout", workspace=False)
    compare.add_argument("before", metavar="RUN", help="run folder, or its name with -w")
    compare.add_argument("after", metavar="OTHER", help="the second run")
    compare.add_argument("--images", type=Path, metavar="DIR", help="image root (default: where the manifests were built)")
    compare.add_argument("--seed", type=int, default=0, help="of the resampling")

    evaluate = command("evaluate", _evaluate, "score predictions: log loss, accuracy, top 5", workspace=None)
    evaluate.add_argument("--predictions", type=Path, required=True, metavar="P.csv")
    evaluate.add_argument("--labels", type=Path, required=True, metavar="L.csv", help="columns file,label")

    tracking = group("tracking", "the MLflow mirror of the runs")
    command("sync", _tracking_sync, "rebuild the mirror from the run folders", under=tracking)
    register = command("register", _tracking_register, "register a run as a model that MLflow can serve", workspace=False,
                       under=tracking)
    register.add_argument("--run", dest="trained", required=True, metavar="RUN", help="run folder, or its name with -w")
    register.add_argument("--name", default="", metavar="NAME", help="the model's name (default: the workspace's)")
    ui = command("ui", _tracking_ui, "serve MLflow's own pages on this machine", under=tracking)
    ui.add_argument("--port", type=int, default=5000)

    app = command("app", _app, "open the workbench in the browser", workspace=False)
    app.add_argument("--port", type=int, default=8501)
    return top


def _author(command: argparse.ArgumentParser) -> None:
    command.add_argument("--by", default=getpass.getuser(), metavar="NAME", help="who decides (default: the user's name)")


def _demo(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog, demo

    if arguments.workspace is not None and (arguments.out / "truth.csv").exists():
        result: Result = {}  # an earlier run of this command got as far
    else:
        report = demo.write(arguments.out, seed=arguments.seed)
        result = asdict(report)
        progress.say(f"{count(report.count, 'image')} in {count(report.classes, 'class')}, "
                     f"{count(sum(report.faults.values()), 'planted fault')}: {report.images}")
    if arguments.workspace is None:
        return result
    images = arguments.out / "images"
    exists = (arguments.workspace / "workspace.json").exists()
    workspace = Workspace.create(arguments.workspace, images) if not exists else catalog.relink(
        Workspace.open(arguments.workspace), images)
    return result | {"workspace": str(workspace.root)} | asdict(catalog.index(workspace))


def _init(arguments: argparse.Namespace) -> Result:
    workspace = Workspace.create(arguments.workspace, arguments.images, arguments.labels, arguments.holdout, arguments.seed)
    progress.say(f"made {workspace.root}; next: index -w {shlex.quote(str(arguments.workspace))}")
    return {"workspace": str(workspace.root), "images": str(workspace.images)}


def _relink(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog

    workspace = catalog.relink(Workspace.open(arguments.workspace), arguments.images)
    progress.say(f"the images of {workspace.root} are at {workspace.images}; "
                 f"next: index -w {shlex.quote(str(arguments.workspace))}")
    return {"workspace": str(workspace.root), "images": str(workspace.images)}


def _index(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog

    report = catalog.index(Workspace.open(arguments.workspace), verify=arguments.verify)
    progress.say(f"{count(report.images, 'image')}, {report.unreadable} of them unreadable; "
                 f"{report.decoded} decoded in {report.seconds:.1f} s")
    return asdict(report)


def _embed(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog, embeddings
    from hai_core.records import OK

    workspace = Workspace.open(arguments.workspace)
    catalog.index(workspace)
    table = catalog.load(workspace)
    report = embeddings.embed(workspace.images, table[table["status"] == OK], arguments.backbone)
    progress.say(f"{count(report.images, 'image')}, {report.computed} computed at {report.images_per_second:.0f} a second")
    return asdict(report)


def _find(arguments: argparse.Namespace) -> Result:
    from hai_core import findings

    workspace = Workspace.open(arguments.workspace)
    if arguments.out and len(arguments.kinds) > 1:
        raise InputError(f"--out takes one table, and {' and '.join(arguments.kinds)} are {len(arguments.kinds)}")
    options = {name: value for name in FIND_OPTIONS if (value := getattr(arguments, name)) not in (None, False)}
    results = {}
    for kind in arguments.kinds:
        known = findings.options(kind)  # of several kinds, each takes those that it has
        mine = {name: value for name, value in options.items() if len(arguments.kinds) == 1 or name in known}
        began = time.monotonic()
        table = findings.find(kind, workspace, **mine)
        seconds = time.monotonic() - began
        if arguments.out:
            write_table(table, arguments.out)
        progress.say(f"{kind}: {count(len(table), 'row')} in {seconds:.1f} s")
        results[kind] = {"rows": len(table), "seconds": round(seconds, 2)}
    return {"kind": arguments.kinds[0], **results[arguments.kinds[0]]} if len(results) == 1 else results


def _decide(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog
    from hai_core.decisions import Journal, kind_of, read_decisions, suggestions, undecided

    workspace = Workspace.open(arguments.workspace)
    if arguments.above is not None and arguments.accept is None:
        raise InputError("--above goes with --accept")
    images, journal, settled = catalog.load(workspace), Journal(workspace), 0
    if arguments.source:
        decisions, note = read_decisions(read_table(arguments.source)), f"from {arguments.source.name}"
    else:
        found = read_table(arguments.accept)
        suggested, note = suggestions(kind_of(found), found, arguments.above), f"accepted {arguments.accept.name}"
        decisions = undecided(suggested, images, journal.curation(images))
        settled = len(suggested) - len(decisions)
        if settled:
            progress.say(f"{settled} of {len(suggested)} suggestions left out: a person has decided on them already")
    if not decisions and arguments.source:
        raise InputError(f"{arguments.source} holds no decision to write")
    if not decisions:
        progress.say(f"{arguments.accept} suggests nothing that is still to be decided")
        return {"batch": "", "applied": 0, "rejected": 0, "settled": settled}
    batch = journal.append(decisions, images, author=arguments.by, note=note, skip_invalid=arguments.skip_invalid)
    for row, reason in batch.rejected:
        progress.say(f"row {row} left out: {reason}")
    progress.say(f"batch {batch.id}: {count(batch.applied, 'decision')} written, {len(batch.rejected)} left out")
    return {"batch": batch.id, "applied": batch.applied, "rejected": len(batch.rejected), "settled": settled}


def _undo(arguments: argparse.Namespace) -> Result:
    return _switch(arguments, "undo")


def _redo(arguments: argparse.Namespace) -> Result:
    return _switch(arguments, "redo")


def _switch(arguments: argparse.Namespace, way: str) -> Result:
    from hai_core import catalog
    from hai_core.decisions import Journal

    workspace = Workspace.open(arguments.workspace)
    batch = getattr(Journal(workspace), way)(arguments.batch, catalog=catalog.load(workspace), author=arguments.by)
    progress.say(f"{way} of batch {batch.target}: {count(batch.applied, 'decision')}")
    return {"batch": batch.target, "applied": batch.applied}


def _journal_export(arguments: argparse.Namespace) -> Result:
    from hai_core.decisions import Journal

    entries = Journal(Workspace.open(arguments.workspace)).export(arguments.file)
    progress.say(f"{count(entries, 'batch')}: {arguments.file}")
    return {"entries": entries, "path": str(arguments.file)}


def _journal_restore(arguments: argparse.Namespace) -> Result:
    from hai_core.decisions import Journal

    entries = Journal(Workspace.open(arguments.workspace)).restore(arguments.file)
    progress.say(f"{count(entries, 'batch')} added; those that were here already are left as they are")
    return {"entries": entries}


def _series_export(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog
    from hai_core.decisions import Journal
    from hai_core.series import series_table

    workspace = Workspace.open(arguments.workspace)
    table = series_table(Journal(workspace).curation(catalog.load(workspace)))
    write_table(table, arguments.file)
    progress.say(f"{count(len(table), 'class')}: {arguments.file}")
    return {"classes": len(table), "path": str(arguments.file)}


def _series_import(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog
    from hai_core.decisions import Journal
    from hai_core.series import series_decisions

    workspace = Workspace.open(arguments.workspace)
    table, journal = catalog.load(workspace), Journal(workspace)
    decisions = series_decisions(read_table(arguments.file, ("class", "series")), journal.curation(table))
    if not decisions:
        progress.say("every class is in that series already")
        return {"batch": "", "applied": 0}
    batch = journal.append(decisions, table, author=arguments.by, note=f"series from {arguments.file.name}")
    progress.say(f"batch {batch.id}: {count(batch.applied, 'decision')} written")
    return {"batch": batch.id, "applied": batch.applied}


def _manifest_build(arguments: argparse.Namespace) -> Result:
    from hai_core import catalog, findings, manifest

    workspace = Workspace.open(arguments.workspace)
    catalog.index(workspace)
    built, folder = manifest.build_for(workspace, findings.duplicate_groups(workspace), arguments.out)
    counts = built.info["counts"]
    progress.say(f"{count(counts['images'], 'image')} in {count(counts['classes'], 'class')}, "
                 f"digest {built.digest[:12]}: {folder}")
    return {"digest": built.digest, "path": str(folder), **counts}


def _manifest_diff(arguments: argparse.Namespace) -> Result:
    from hai_core import manifest

    a, b = manifest.load(arguments.a), manifest.load(arguments.b)
    images, classes = manifest.diff(a, b), manifest.class_diff(a, b)
    if not arguments.json:
        for table in (classes, images):
            sys.stdout.write(table.to_csv(index=False, sep="\t", lineterminator="\n"))
    return {"a": a.digest, "b": b.digest, "images": images.to_dict("records"), "classes": classes.to_dict("records")}


def _manifest_export(arguments: argparse.Namespace) -> Result:
    from hai_core import manifest

    loaded = manifest.load(arguments.manifest)
    images = arguments.images or Path(loaded.info["images"])
    images_out = manifest.export(loaded, images, arguments.out, arguments.format, spreadsheet=arguments.spreadsheet)
    progress.say(f"{count(images_out, 'image')}: {arguments.out}")
    return {"images": images_out, "path": str(arguments.out)}


@contextmanager
def _turn(runs: Path) -> Iterator[None]:
    """One training of this folder of runs at a time."""
    place = runs / ".locks" / "turn"
    with ExitStack() as held:
        try:
            held.enter_context(lock(place, "another training is going on"))
        except InputError:
            with progress.track("Waiting for the trainings before", 0, "trainings"):
                held.enter_context(lock(place, None))
        yield


def _train(arguments: argparse.Namespace) -> Result:
    from hai_core import manifest, remote, runs, tracking
    from hai_core.members import config

    workspace = Workspace.open(arguments.workspace) if arguments.workspace else None
    place = remote.manifest(arguments.manifest)
    loaded, chosen = manifest.load(place), config.load(arguments.config, arguments.overrides)
    beside = Path.cwd() if remote.is_url(arguments.manifest) else (place if place.is_dir() else place.parent).resolve().parent
    images = remote.images(arguments.images, loaded.table) if arguments.images else (
        workspace.images if workspace else Path(loaded.info["images"]))
    folder = workspace.runs if workspace else beside / "runs"
    if arguments.trial:
        with _turn(folder) if arguments.wait else nullcontext():
            found = runs.trial(loaded, chosen, images=images, runs=folder)
        progress.say(f"about {found['seconds'] / 3600:.2f} hours in all, at {found['images_per_second']:.1f} images a second "
                     f"(waiting for images {found['wait_share']:.0%} of the time)")
        return found
    with _turn(folder) if arguments.wait else nullcontext():
        run = remote.train(loaded, chosen, images=images, runs=folder, push=arguments.push,
                           command=without_secrets(shlex.join(["python", "-m", "hai_core", *arguments.words])))
    tracking.mirror(run.path, workspace)
    metrics = run.metrics
    progress.say(f"log loss {metrics['log_loss']:.4f}, accuracy {metrics['accuracy']:.4f} (out of fold): {run.path}")
    return {"run": run.id, "path": str(run.path), **metrics}


def _runs_push(arguments: argparse.Namespace) -> Result:
    from hai_core import remote, runs

    workspace = Workspace.open(arguments.workspace) if arguments.workspace else None
    run = runs.load(arguments.trained, workspace.runs if workspace else None)
    remote.push(run, arguments.url)
    progress.say(f"pushed {run.id} to {arguments.url}")
    return {"run": run.id, "url": arguments.url}


def _runs_pull(arguments: argparse.Namespace) -> Result:
    from hai_core import remote

    pulled = remote.pull(arguments.url, Workspace.open(arguments.workspace).runs)
    progress.say(f"{count(len(pulled), 'run')} pulled" + (f": {', '.join(pulled)}" if pulled else ""))
    return {"runs": pulled}


def _predict(arguments: argparse.Namespace) -> Result:
    from hai_core import runs

    workspace = Workspace.open(arguments.workspace) if arguments.workspace else None
    run = runs.load(arguments.trained, workspace.runs if workspace else None)
    table = runs.predict(run, arguments.images, tta=arguments.tta, expand=arguments.expand)
    if arguments.like:
        table = runs.like(table, read_table(arguments.like), arguments.like)
    write_table(table, arguments.out)
    progress.say(f"{count(len(table), 'image')}: {arguments.out}")
    return {"images": len(table), "path": str(arguments.out), "run": run.id}


def _compare(arguments: argparse.Namespace) -> Result:
    from hai_core import compare, runs

    workspace = Workspace.open(arguments.workspace) if arguments.workspace else None
    pair = [runs.load(name, workspace.runs if workspace else None) for name in (arguments.before, arguments.after)]
    for run in pair:
        if run.holdout_answers is None:
            images = arguments.images or (workspace.images if workspace else Path(run.manifest.info["images"]))
            runs.answer_holdout(run, images)
            progress.say(f"answered the holdout: {run.path}")
    found = compare.holdout(*pair)
    if found is None or not len(found.paths):
        raise InputError("the two runs have no image in common that neither trained on; "
                         "manifests of one workspace share its holdout (init --holdout)")
    result = compare.paired_on(found, pair[1], arguments.seed)
    if not arguments.json:
        print(f"log loss {result.before:.4f} -> {result.after:.4f}   difference {result.difference:+.4f} "
              f"({result.low:+.4f} to {result.high:+.4f}, 95 %)   n {result.images}")
    fixed, broken = (int((found.change == change).sum()) for change in (compare.FIXED, compare.BROKEN))
    return asdict(result) | {"fixed": fixed, "broken": broken, **found.left_out}


def _evaluate(arguments: argparse.Namespace) -> Result:
    from hai_core.ensemble.evaluate import evaluate

    result = evaluate(read_table(arguments.predictions), read_table(arguments.labels, ("file", "label")))
    if not arguments.json:
        print(f"log loss {result['log_loss']:.4f}   accuracy {result['accuracy']:.4f}   "
              f"top 5 {result['top5']:.4f}   n {result['n']}")
    return result


def _tracking_sync(arguments: argparse.Namespace) -> Result:
    from hai_core import tracking

    return {"runs": tracking.sync(Workspace.open(arguments.workspace))}


def _tracking_register(arguments: argparse.Namespace) -> Result:
    from hai_core import runs, tracking

    workspace = Workspace.open(arguments.workspace) if arguments.workspace else None
    run = runs.load(arguments.trained, workspace.runs if workspace else None)
    model = tracking.register(run, workspace, arguments.name)
    progress.say(f"version {model.version} of {model.name}; serve it with:\n{tracking.serving(model)}")
    return asdict(model) | {"store": without_secrets(model.store)}


def _tracking_ui(arguments: argparse.Namespace) -> Result:
    from hai_core import tracking

    return {"code": tracking.serve_ui(Workspace.open(arguments.workspace), arguments.port)}


def _app(arguments: argparse.Namespace) -> Result:
    """Replaces this process by the app's server."""
    from hai_core.workspace import repository_root

    root = repository_root()
    if arguments.workspace:
        os.environ["HAI_WORKSPACE"] = str(Workspace.open(arguments.workspace).root)
    os.chdir(root)
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(arguments.port)]
    os.execv(sys.executable, command)
