// The points of a map: decoded, found by place, drawn as pixels. Knows nothing of the page. Comes before image_map.js, in one
// module with it. Places are 0 .. 65535, y upwards; a row is an image's place in the data.

const HIDDEN = 0xffff; // code of a point that is not shown
const SPAN = 65535;
const FAINT = 1; // levels: 0 is hidden; higher ones are drawn later, over lower ones
const PLAIN = 2;
const STRONG = 3;
const OPACITY = [0, 0.3, 0.85, 1]; // of the levels
const LARGER = 1.5; // of the radius, where few are to stand out

function decode(base64, Type = Uint8Array) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return new Type(bytes.buffer);
}

// Bits of the rows, lowest first, as Python's numpy.packbits(bitorder="little") makes them.
function encodeBits(marked) {
  const bytes = new Uint8Array(Math.ceil(marked.length / 8));
  for (let i = 0; i < marked.length; i += 1) if (marked[i]) bytes[i >> 3] |= 1 << (i & 7);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

function decodeBits(base64, count) {
  const bytes = decode(base64);
  const marked = new Uint8Array(count);
  for (let i = 0; i < count; i += 1) marked[i] = (bytes[i >> 3] >> (i & 7)) & 1;
  return marked;
}

// Whether a place is inside the polygon with these corners.
function inside(xs, ys, x, y) {
  let odd = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i, i += 1) {
    if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) odd = !odd;
  }
  return odd;
}

class Points {
  constructor(base64, count) {
    const places = decode(base64, Uint16Array);
    this.count = count;
    this.x = places.subarray(0, count);
    this.y = places.subarray(count);
    this.high = [0, 0];
    for (let i = 0; i < count; i += 1) {
      if (this.x[i] > this.high[0]) this.high[0] = this.x[i];
      if (this.y[i] > this.high[1]) this.high[1] = this.y[i];
    }
    this.sortIntoCells();
  }

  // Cells of a square grid, about eight points each were they spread evenly; rows in the order of their cells.
  sortIntoCells() {
    this.shift = 16 - Math.max(4, Math.min(10, Math.round(Math.log2(Math.sqrt(this.count / 8) + 1))));
    this.side = 1 << (16 - this.shift);
    this.first = new Uint32Array(this.side * this.side + 1);
    const cell = (i) => (this.y[i] >> this.shift) * this.side + (this.x[i] >> this.shift);
    for (let i = 0; i < this.count; i += 1) this.first[cell(i) + 1] += 1;
    for (let c = 0; c < this.side * this.side; c += 1) this.first[c + 1] += this.first[c];
    const next = this.first.slice();
    this.rows = new Uint32Array(this.count);
    for (let i = 0; i < this.count; i += 1) this.rows[next[cell(i)]++] = i;
  }

  // Calls `visit(cell)` for every cell that a box touches.
  cells(left, bottom, right, top, visit) {
    const along = (value) => Math.max(0, Math.min(this.side - 1, value >> this.shift));
    for (let y = along(bottom); y <= along(top); y += 1) {
      for (let x = along(left); x <= along(right); x += 1) visit(y * this.side + x);
    }
  }

  // The nearest `most` rows within `reach` of a place, the nearest first; `shown(row)` says which count.
  nearest(x, y, reach, most, shown) {
    const found = [];
    this.cells(x - reach, y - reach, x + reach, y + reach, (cell) => {
      for (let at = this.first[cell]; at < this.first[cell + 1]; at += 1) {
        const row = this.rows[at];
        const distance = Math.hypot(this.x[row] - x, this.y[row] - y);
        if (distance <= reach && shown(row)) found.push([distance, row]);
      }
    });
    return found.sort((a, b) => a[0] - b[0]).slice(0, most).map(([, row]) => row);
  }

  // The rows inside a polygon. A cell that no edge comes near is inside or outside as a whole.
  within(polygon, shown) {
    const xs = Float64Array.from(polygon, ([x]) => x);
    const ys = Float64Array.from(polygon, ([, y]) => y);
    const onEdge = new Uint8Array(this.side * this.side);
    for (let i = 0, j = xs.length - 1; i < xs.length; j = i, i += 1) {
      this.cells(Math.min(xs[i], xs[j]), Math.min(ys[i], ys[j]), Math.max(xs[i], xs[j]), Math.max(ys[i], ys[j]), (cell) => {
        onEdge[cell] = 1;
      });
    }
    const found = [];
    this.cells(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (cell) => {
      const [from, to] = [this.first[cell], this.first[cell + 1]];
      const whole = from < to && !onEdge[cell] && inside(xs, ys, this.x[this.rows[from]], this.y[this.rows[from]]);
      for (let at = from; at < to; at += 1) {
        const row = this.rows[at];
        if (shown(row) && (onEdge[cell] ? inside(xs, ys, this.x[row], this.y[row]) : whole)) found.push(row);
      }
    });
    return found;
  }
}

// A round dot of radius `r` pixels in an image that is `width` wide: where each of its pixels lies in the image's bytes, counted
// from the middle, and how much of it is covered.
function dot(r, width) {
  const reach = Math.ceil(r);
  const pixels = [];
  for (let y = -reach; y <= reach; y += 1) {
    for (let x = -reach; x <= reach; x += 1) {
      const cover = Math.min(1, Math.max(0, r + 0.5 - Math.hypot(x, y)));
      if (cover > 0.05) pixels.push([4 * (y * width + x), cover]);
    }
  }
  return { reach, offset: Int32Array.from(pixels, ([at]) => at), cover: Float32Array.from(pixels, ([, cover]) => cover) };
}

// Draws points into `image` (ImageData), over nothing. `level` (N,) is when and how strongly each is drawn, `colour` a function
// row -> place of its r, g, b in `palette`. `view`: scale and centre of the map, in pixels a place. `faintly`: opacity of FAINT.
function drawPoints(image, points, view, level, colour, palette, radius, faintly) {
  const { width, height, data } = image;
  data.fill(0);
  for (let now = FAINT; now <= STRONG; now += 1) {
    const opacity = now === FAINT ? faintly : OPACITY[now];
    const { reach, offset, cover } = dot(now === STRONG ? radius * LARGER : radius, width);
    for (let i = 0; i < points.count; i += 1) {
      if (level[i] !== now) continue;
      const px = Math.round((points.x[i] - view.x) * view.scale + width / 2);
      const py = Math.round((view.y - points.y[i]) * view.scale + height / 2);
      if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue;
      const c = colour(i);
      const middle = 4 * (py * width + px);
      for (let k = 0; k < offset.length; k += 1) {
        const at = middle + offset[k];
        const alpha = cover[k] * opacity;
        const below = (data[at + 3] / 255) * (1 - alpha);
        const total = alpha + below;
        data[at] = (palette[c] * alpha + data[at] * below) / total;
        data[at + 1] = (palette[c + 1] * alpha + data[at + 1] * below) / total;
        data[at + 2] = (palette[c + 2] * alpha + data[at + 2] * below) / total;
        data[at + 3] = total * 255;
      }
    }
  }
}
