"""The package, module by module: every module in its group, each with its first line. render_docs.py puts it into
docs/map.md.

A module imports from its own group and from those above it, never from one below (a late import inside a function
may point elsewhere).
"""

import ast
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "fkd_helpers"
GROUPS = {
    "Ground": "errors files records config distributed",
    "Faces and their labels": "boxes metrics palette photos image_cache data reading shapes scenery portraits puppets "
    "transfer download labelling kaggle_csv",
    "Networks": "networks pretrained models residual losses quantise runners",
    "Training": "transforms classic averages checkpoints schedules training rate_finder loggers run_files run_data "
    "keypoint_runs launching",
    "From a photo to keypoints": "detect predict tracking pose conditions evaluation robustness face_table",
    "Filters and emotions": "sprites filters emotion_features emotion",
    "Experiments and their tables": "published ray_grid experiments ablation tables emotion_table peers",
    "Photos by the folder": "photo_run batch",
    "Fifteen points": "kaggle_[!c]* submission",
    "Figures": "plots training_plots live_curve result_plots emotion_plots",
    "Expressions": "upright expressions_*",
    "The live demo": "live live.*",
    "Speed and other formats": "benchmark benchmark_scale export_trials export",
    "Notebooks and exercises": "verdicts exercises checks checks.* session installation student_copy",
    "The command line": "commands commands.* cli __main__",
}


def modules() -> dict[str, ast.Module]:
    """Return each module's parsed text by its dotted name below the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        if name:
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.Module, names) -> set[str]:
    """Return which modules of ours a module imports at its top."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE.name:
            base = node.module.partition(".")[2]
            for alias in node.names:
                full = f"{base}.{alias.name}".lstrip(".")
                found.add(full if full in names else base)
    return found & set(names)


def grouped() -> dict[str, list[str]]:
    """Return the modules of each group in an order in which each comes after those that it imports."""
    trees = modules()
    graph = {name: sorted(imported(tree, trees)) for name, tree in trees.items()}
    order = list(TopologicalSorter(graph).static_order())
    return {
        title: sorted((name for name in trees if any(fnmatch(name, one) for one in patterns.split())), key=order.index)
        for title, patterns in GROUPS.items()
    }


def package_map() -> str:
    """Return the map as Markdown: a table for each group, a line for each module."""
    trees, parts = modules(), []
    for title, names in grouped().items():
        lines = [f"## {title}", "", "| module | what it is for |", "|---|---|"]
        for name in names:
            words = " ".join(ast.get_docstring(trees[name]).partition("\n\n")[0].split())
            path = name.replace(".", "/") + ("/__init__.py" if (PACKAGE / name.replace(".", "/")).is_dir() else ".py")
            lines.append(f"| [`{name}`](../fkd_helpers/{path}) | {words} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
