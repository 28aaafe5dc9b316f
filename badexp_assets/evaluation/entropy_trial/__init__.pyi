from .params import TrialParams as TrialParams
from .rates import found_rates as found_rates
from .rates import rate_lines as rate_lines
from .surveys import measure_surveys as measure_surveys
