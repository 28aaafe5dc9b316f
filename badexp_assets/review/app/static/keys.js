// The keys of the page of one candidate, for its help.

export const KEYS = {
  "Answer": [["b", "bad, then a category"], ["f", "fine"], ["u", "unsure"], ["c", "comment (Enter or Esc returns)"], [",", "tags: short words that are no answer"], ["z", "undo the last answer or tag, then earlier ones"], ["y", "my answers, each can be undone"]],
  "Go": [["→ n", "next"], ["← p", "previous"], ["s", "skip to the next open candidate"], ["q", "rank again by all answers, in a learned order"], ["m", "more like this, in the whole survey"], ["g", "all candidates"], ["e", "examples of categories"]],
  "Focal plane": [["v", "votes of the classifier"], ["d", "difference from good exposures"], ["a", "absolute sky levels, on one scale for all exposures"], ["x", "blink with a good exposure of the band (tap or hold)"], ["i", "show or hide the night"], ["h j k l", "move over the CCDs"], ["Space", "select a CCD: answers apply to selected CCDs"], ["w", "select the CCDs that are called bad"], ["Esc", "select none"], ["Enter", "full resolution"], ["o", "orientations"]],
  "Full resolution": [["+ -", "zoom (or the wheel)"], ["← → ↑ ↓", "pan (or drag)"], ["0 1", "fit, pixel by pixel"], ["m x r", "blink the mask, the other exposure, the previous reduction"], ["t", "stretch: zscale, deep, wide, absolute"], ["[ ]", "previous, next CCD"]],
};
