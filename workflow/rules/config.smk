# The configuration: a whole one stands by itself, a part of one changes the standard benchmark.
from polarstem.config import check, is_whole
from polarstem.errors import PolarstemError

if not is_whole(config):

    configfile: "config.yaml"


try:
    CONFIG = check({key: config[key] for key in config if key != "pathvars"})
except PolarstemError as error:
    raise WorkflowError(str(error))
