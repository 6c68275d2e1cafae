// Colours of the matrix's cells: of a count in one run, and of what changed from one run to another. Comes before matrix.js.

const ERRORS = [[232, 160, 70, 0.4], [226, 110, 50, 0.9], [196, 35, 62, 1]]; // few .. many, on a logarithmic scale
const FEWER = [[96, 165, 140, 0.4], [58, 145, 120, 0.9], [20, 110, 90, 1]];
const HITS = [[140, 150, 160, 0.14], [80, 140, 175, 0.65]]; // none of the label's images .. all of them
const NONE = "rgba(140, 150, 160, 0.3)"; // as many as before
const ADDED_UP = [[140, 150, 160, 0.2], [110, 122, 134, 0.75]]; // errors with any of the classes that are not shown

function between(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const [low, high] = [Math.floor(place), Math.ceil(place)];
  const [r, g, b, a] = stops[low].map((value, i) => value + (stops[high][i] - value) * (place - low));
  return `rgba(${Math.round(r)}, ${Math.round(g)}, ${Math.round(b)}, ${a.toFixed(3)})`;
}

// 0 .. 1 for 1 .. top.
function logarithmic(count, top) {
  return top <= 1 ? 0 : Math.log(count) / Math.log(top);
}

function gradient(stops) {
  return `linear-gradient(to right, ${stops.map(([r, g, b, a]) => `rgba(${r}, ${g}, ${b}, ${a})`).join(", ")})`;
}

// The colour of a cell: `more` errors than before are bad, more hits are good.
function colourOf({ hit, count, before, total, rest }, compared, top) {
  if (rest && !compared) return between(ADDED_UP, logarithmic(count, Math.max(total, 2)));
  if (!compared) return hit ? between(HITS, total ? count / total : 0) : between(ERRORS, logarithmic(count, top));
  const more = hit ? before - count : count - before;
  if (more === 0) return NONE;
  return between(more > 0 ? ERRORS : FEWER, logarithmic(Math.abs(more), top));
}
