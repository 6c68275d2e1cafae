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

function inside(polygon, x, y) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [xi, yi] = polygon[i];
    const [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
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

  // Calls `visit(row)` for every point of the cells that a box touches.
  inBox(left, bottom, right, top, visit) {
    const cell = (value) => Math.max(0, Math.min(this.side - 1, value >> this.shift));
    for (let row = cell(bottom); row <= cell(top); row += 1) {
      const from = this.first[row * this.side + cell(left)];
      const to = this.first[row * this.side + cell(right) + 1];
      for (let at = from; at < to; at += 1) visit(this.rows[at]);
    }
  }

  // The nearest `most` rows within `reach` of a place, the nearest first; `shown(row)` says which count.
  nearest(x, y, reach, most, shown) {
    const found = [];
    this.inBox(x - reach, y - reach, x + reach, y + reach, (row) => {
      const distance = Math.hypot(this.x[row] - x, this.y[row] - y);
      if (distance <= reach && shown(row)) found.push([distance, row]);
    });
    return found.sort((a, b) => a[0] - b[0]).slice(0, most).map(([, row]) => row);
  }

  within(polygon, shown) {
    const xs = polygon.map(([x]) => x);
    const ys = polygon.map(([, y]) => y);
    const found = [];
    this.inBox(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (row) => {
      if (shown(row) && inside(polygon, this.x[row], this.y[row])) found.push(row);
    });
    return found;
  }
}

// A round dot of radius `r` pixels: offset and coverage of each of its pixels.
function dot(r) {
  const reach = Math.ceil(r);
  const dots = [];
  for (let y = -reach; y <= reach; y += 1) {
    for (let x = -reach; x <= reach; x += 1) {
      const cover = Math.min(1, Math.max(0, r + 0.5 - Math.hypot(x, y)));
      if (cover > 0.05) dots.push([x, y, cover]);
    }
  }
  return { reach, dots };
}

// Draws points into `image` (ImageData), over nothing. `level` (N,) is when and how strongly each is drawn, `colour` a function
// row -> place of its r, g, b in `palette`. `view`: scale and centre of the map, in pixels a place. `faintly`: opacity of FAINT.
function drawPoints(image, points, view, level, colour, palette, radius, faintly) {
  const { width, height, data } = image;
  data.fill(0);
  for (let now = FAINT; now <= STRONG; now += 1) {
    const opacity = now === FAINT ? faintly : OPACITY[now];
    const { reach, dots } = dot(now === STRONG ? radius * LARGER : radius);
    for (let i = 0; i < points.count; i += 1) {
      if (level[i] !== now) continue;
      const px = Math.round((points.x[i] - view.x) * view.scale + width / 2);
      const py = Math.round((view.y - points.y[i]) * view.scale + height / 2);
      if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue;
      const c = colour(i);
      for (const [dx, dy, cover] of dots) {
        const at = ((py + dy) * width + px + dx) * 4;
        const alpha = cover * opacity;
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
