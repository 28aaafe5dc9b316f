from .params import TrialParams as TrialParams
from .published import compare_with_published as compare_with_published
from .published import comparison_lines as comparison_lines
from .rates import found_rates as found_rates
from .rates import rate_lines as rate_lines
from .surveys import measure_surveys as measure_surveys
