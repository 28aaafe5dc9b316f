from .explanations import explain_candidates as explain_candidates
from .explanations import pictured_examples as pictured_examples
from .good_images import choose_good_images as choose_good_images
from .nearest_examples import nearest_examples as nearest_examples
from .patch_distance import PatchReference as PatchReference
from .patch_reference import make_patch_reference as make_patch_reference
from .worst_ccds import background_divergences as background_divergences
from .worst_ccds import worst_ccds as worst_ccds
