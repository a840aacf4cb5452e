"""What the operator says of rigs, where it makes no sense."""

from collections.abc import Iterator

from poolserver.config.checks import each, known
from poolserver.config.errors import Problem
from poolserver.config.kinds import quoted
from poolserver.config.rig_models import RigModelConfig
from poolserver.config.settings import Config
from poolserver.power.models import MinerModels, ModelError, load_models


def check_rig_models(config: Config) -> Iterator[Problem]:
    """Every problem of these settings."""
    rules = list(each("rig_models", config.rig_models))
    models = load_models() if rules else MinerModels(())
    sites = {site.name for _, site in each("sites", config.sites)}
    for path, rule in rules:
        if known(rule.model, rule.th_s, rule.watts, rule.j_per_th):
            yield from _figures(path, rule, models)
        who = (rule.rigs, rule.workers, rule.addresses)
        if known(*who) and not any(who):
            yield Problem(path, 'needs rigs, workers or addresses; workers = ["*"] is all')
        for place, site in each(f"{path}.sites", rule.sites):
            if known(config.sites, *sites) and site not in sites:
                yield Problem(place, f"there is no site {quoted(site)}")


def _figures(path: str, rule: RigModelConfig, models: MinerModels) -> Iterator[Problem]:
    if (rule.th_s is None) != (rule.watts is None):
        yield Problem(path, "needs both th_s and watts, or neither")
    elif rule.j_per_th is not None and rule.watts is not None:
        yield Problem(path, "needs th_s and watts, or j_per_th, but not all of them")
    elif rule.j_per_th is None and rule.watts is None:
        if rule.model is None:
            yield Problem(path, "needs a model, or th_s and watts, or j_per_th")
            return
        try:
            models.find(rule.model)
        except ModelError as error:
            yield Problem(f"{path}.model", f"{error}: see `poolserver power models`")
