from .candidate_explanations import explain_candidates as explain_candidates
from .candidate_explanations import nearest_examples as nearest_examples
from .candidate_explanations import pictured_examples as pictured_examples
from .choose_images import background_divergences as background_divergences
from .choose_images import choose_good_images as choose_good_images
from .choose_images import worst_ccds as worst_ccds
from .patch_reference import PatchReference as PatchReference
from .patch_reference import make_patch_reference as make_patch_reference
