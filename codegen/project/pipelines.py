"""Ready pipelines that build a project: boards in parallel, then one artifact.

They call the project's Makefile and nothing else, so what the pipeline does can be done by hand.
"""

from __future__ import annotations

from codegen.build_plan import BuildPlan
from codegen.render import render, word
from elasticdf import __version__
from elasticdf.artifact.deployment import Deployment

GITHUB = ".github/workflows/build.yml"
GITLAB = ".gitlab-ci.yml"


def pipelines(deployment: Deployment) -> BuildPlan:
    """Return the pipeline files for GitHub Actions and GitLab."""
    boards = [
        {"id": board.id, "binary": f"board{board.id}/{word(board.binary)}"}
        for board in deployment.boards
    ]
    package = f"elasticdf=={__version__}"
    values = {"network": deployment.network, "boards": boards, "package": package}
    return BuildPlan(
        {
            GITHUB: render("project", "github.yml", **values),
            GITLAB: render("project", "gitlab.yml", **values),
        }
    )
