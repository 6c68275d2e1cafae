// Browser side of pages/ui/matrix.py: a MatrixView per mounted matrix. Drawing is one pass over the cells that hold images.

const matrices = new WeakMap();
const TALLEST = 0.7; // of the window's height
const WIDEST_CELL = 56; // CSS pixels
const LETTERS = 11.5; // CSS pixels, height of the names
const NAMES_FROM = 8; // CSS pixels of a row or column from which its name is written
const COUNTS_FROM = 17; // and its counts
const REACH = 5; // CSS pixels around the pointer in which a cell is found
let lastChoice = Date.now(); // its number; no two of a session have the same

export default function ({ data, parentElement, setTriggerValue }) {
  let view = matrices.get(parentElement);
  if (!view) {
    view = new MatrixView(parentElement);
    matrices.set(parentElement, view);
  }
  view.tell = (type, box) => setTriggerValue("chosen", { type, box, id: view.data.id, number: ++lastChoice });
  view.update(data);
  return () => view.remove();
}

function numbers(base64, Type) {
  return new Type(Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0)).buffer);
}

function said(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

class MatrixView {
  constructor(parent) {
    this.root = make("div", "cm", "", { "data-testid": "matrix" });
    this.bar = make("div", "cm-bar");
    this.stage = make("div", "cm-stage");
    this.canvas = make("canvas", "", "", { "aria-hidden": "true" });
    this.over = make("canvas", "cm-over", "", { tabindex: "0", role: "application", "data-testid": "matrix-canvas" });
    this.card = make("div", "cm-card", "", { "aria-live": "polite", "data-testid": "matrix-hover" });
    this.card.hidden = true;
    this.stage.append(this.canvas, this.over, this.card);
    this.root.append(this.bar, this.stage);
    parent.appendChild(this.root);
    this.listen();
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.root);
  }

  remove() {
    if (!this.root.isConnected) this.resized.disconnect(); // Streamlit says so too of data that newer data has overtaken
  }

  // --- what Python says --------------------------------------------------------------------------------------------------

  update(data) {
    const moved = this.data?.id !== data.id;
    this.data = data;
    this.box = data.box;
    if (moved) {
      this.read();
      this.cursor = null;
      this.leave();
    }
    this.over.setAttribute("aria-label", `${data.title}. ${data.words.keys}`);
    this.buildBar();
    this.resize();
  }

  read() {
    const { rows, columns, totals, shift, compared, rest } = this.data;
    const [row, column, count, before] = [numbers(this.data.row, Uint16Array), numbers(this.data.column, Uint16Array),
      numbers(this.data.count, Uint32Array), numbers(this.data.before, Uint32Array)];
    this.cells = Array.from(row, (r, i) => {
      const added = rest >= 0 && (r === rest || column[i] + shift === rest);
      const hit = r === column[i] + shift && !added;
      return { row: r, column: column[i], count: count[i], before: before[i], total: totals[r], hit, rest: added };
    });
    this.at = new Map(this.cells.map((cell) => [cell.row * columns.length + cell.column, cell]));
    this.errors = this.cells.filter((cell) => !cell.hit && !cell.rest);
    const size = (cell) => (cell.rest ? 0 : compared ? Math.abs(cell.count - cell.before) : cell.hit ? 0 : cell.count);
    this.top = this.cells.reduce((most, cell) => Math.max(most, size(cell)), 1);
    this.size = [rows.length, columns.length];
  }

  buildBar() {
    const { words, compared, part } = this.data;
    const key = (stops, before, after) => {
      const node = make("span", "cm-key", before);
      const ramp = make("span", "cm-ramp");
      ramp.style.background = gradient(stops);
      node.append(ramp, make("span", "", after));
      return node;
    };
    const top = this.top.toLocaleString("en");
    const button = (text, act) => {
      const node = make("button", "cm-button", text, { type: "button" });
      node.addEventListener("click", act);
      return node;
    };
    const keys = compared
      ? [key(FEWER, words.better, top), key(ERRORS, words.worse, top)]
      : [key(ERRORS, said(words.errors, { n: 1 }), top), key(HITS, words.right, "100%")];
    const buttons = [];
    if (this.isLarge(this.box)) buttons.push(button(words.zoom, () => this.tell("window", this.box)));
    if (part) buttons.push(button(words.whole, () => this.tell("window", null)));
    this.bar.replaceChildren(...keys, make("span", "cm-space"), ...buttons);
  }

  // More than a cell, and less than what is shown.
  isLarge(box) {
    if (!box) return false;
    const [rows, columns] = [box[1] - box[0] + 1, box[3] - box[2] + 1];
    return rows * columns > 1 && (rows < this.size[0] || columns < this.size[1]);
  }

  // --- drawing ------------------------------------------------------------------------------------------------------------

  resize() {
    const width = this.root.clientWidth;
    if (!width || !this.data) return;
    const [rows, columns] = this.size;
    const tallest = Math.max(320, TALLEST * window.innerHeight);
    const fit = (left, bottom) => {
      const w = Math.min((width - left) / columns, WIDEST_CELL);
      return { left, bottom, w, h: Math.min(w, (tallest - bottom) / rows) };
    };
    const named = this.data.short_rows[0] !== "";
    if (named) {
      const pen = this.canvas.getContext("2d");
      pen.font = `${LETTERS}px ${getComputedStyle(this.root).fontFamily}`;
      const longest = (names) => names.reduce((most, name) => Math.max(most, pen.measureText(name).width), 0);
      this.room = Math.min(longest(this.data.short_rows), 0.25 * width);
      this.place = fit(this.room + 30, Math.min(longest(this.data.short_columns), 112) * 0.87 + 30);
    }
    this.names = named && this.place.h >= NAMES_FROM;
    if (!this.names) this.place = fit(22, 22);
    Object.assign(this.root.dataset, { left: this.place.left, across: this.place.w, down: this.place.h, rows });
    this.ratio = window.devicePixelRatio || 1;
    const height = rows * this.place.h + this.place.bottom;
    for (const canvas of [this.canvas, this.over]) {
      canvas.style.height = `${height}px`;
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    if (!this.root.isConnected) return;
    const began = performance.now();
    const pen = this.pen(this.canvas);
    const { left, w, h } = this.place;
    const [rows, columns] = this.size;
    const style = getComputedStyle(this.root);
    pen.fillStyle = "rgba(140, 150, 160, 0.07)";
    pen.fillRect(left, 0, columns * w, rows * h);
    const gap = h >= 5 ? 1 : 0;
    const least = 1.6; // CSS pixels, so that a cell among a thousand classes is seen
    for (const cell of this.cells) {
      pen.fillStyle = colourOf(cell, this.data.compared, this.top);
      pen.fillRect(left + cell.column * w, cell.row * h, Math.max(w - gap, least), Math.max(h - gap, least));
    }
    if (h >= COUNTS_FROM) this.writeCounts(pen, style);
    this.writeNames(pen, style);
    this.drawOver();
    this.root.dataset.drawn = `${Number(this.root.dataset.drawn || 0) + 1}`;
    this.root.dataset.milliseconds = (performance.now() - began).toFixed(1);
  }

  // A canvas's context, empty, in CSS pixels.
  pen(canvas) {
    const pen = canvas.getContext("2d");
    pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    pen.clearRect(0, 0, canvas.width, canvas.height);
    return pen;
  }

  writeCounts(pen, style) {
    const { left, w, h } = this.place;
    pen.font = `${Math.min(11, h - 7)}px ${style.fontFamily}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const cell of this.cells) {
      const change = cell.count - cell.before;
      const size = this.data.compared ? Math.abs(change) : cell.hit ? 1 : cell.count;
      pen.fillStyle = logarithmic(size, this.top) > 0.6 ? "#fff" : style.color;
      const sign = change > 0 ? "+" : change < 0 ? "−" : "";
      const text = (this.data.compared ? sign : "") + (this.data.compared ? Math.abs(change) : cell.count).toLocaleString("en");
      pen.fillText(text, left + (cell.column + 0.5) * w, (cell.row + 0.5) * h, w - 2);
    }
  }

  writeNames(pen, style) {
    const { left, w, h } = this.place;
    const { words, short_rows: rows, short_columns: columns } = this.data;
    const bottom = this.size[0] * h;
    pen.fillStyle = style.color;
    if (this.names) {
      pen.font = `${Math.min(LETTERS, Math.max(h - 1, NAMES_FROM))}px ${style.fontFamily}`;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      rows.forEach((name, i) => pen.fillText(name, left - 6, (i + 0.5) * h, this.room));
      columns.forEach((name, i) => {
        pen.save();
        pen.translate(left + (i + 0.5) * w, bottom + 6);
        pen.rotate(-Math.PI / 3);
        pen.fillText(name, 0, 0, 112);
        pen.restore();
      });
    }
    pen.font = `12px ${style.fontFamily}`;
    pen.fillStyle = style.getPropertyValue("--cm-soft");
    pen.textBaseline = "alphabetic";
    pen.textAlign = "right";
    pen.fillText(words.predicted, left + this.size[1] * w, bottom + this.place.bottom - 5);
    pen.save();
    pen.translate(12, 3);
    pen.rotate(-Math.PI / 2);
    pen.fillText(words.label, 0, 0);
    pen.restore();
  }

  // What is chosen, what is being drawn, and the row and column of the cell in question.
  drawOver() {
    const pen = this.pen(this.over);
    const { left, w, h } = this.place;
    const style = getComputedStyle(this.root);
    const frame = ([top, bottom, first, last], width) => {
      pen.lineWidth = width;
      pen.strokeRect(left + first * w - 1, top * h - 1, (last - first + 1) * w + 1, (bottom - top + 1) * h + 1);
    };
    if (this.cursor) {
      pen.fillStyle = "rgba(128, 138, 148, 0.2)";
      pen.fillRect(left, this.cursor.row * h, this.size[1] * w, Math.max(h, 1));
      pen.fillRect(left + this.cursor.column * w, 0, Math.max(w, 1), this.size[0] * h);
      pen.strokeStyle = style.color;
      frame([this.cursor.row, this.cursor.row, this.cursor.column, this.cursor.column], 1);
    }
    pen.strokeStyle = style.getPropertyValue("--st-primary-color");
    if (this.box && (this.isLarge(this.box) || this.box[0] === this.box[1])) frame(this.box, 2);
    if (this.drag?.box) {
      pen.setLineDash([5, 4]);
      frame(this.drag.box, 1.5);
      pen.setLineDash([]);
    }
  }

  // --- pointer and keys ----------------------------------------------------------------------------------------------------

  listen() {
    const { over } = this;
    over.addEventListener("pointerdown", (event) => this.press(event));
    over.addEventListener("pointermove", (event) => (this.drag ? this.dragTo(event) : this.look(this.near(event))));
    over.addEventListener("pointerup", (event) => this.release(event));
    over.addEventListener("pointercancel", () => this.endDrag());
    over.addEventListener("pointerleave", () => this.drag || this.leave());
    over.addEventListener("blur", () => this.leave());
    over.addEventListener("keydown", (event) => this.keydown(event));
  }

  // Row and column under the pointer, within the matrix.
  spot(event) {
    const bounds = this.over.getBoundingClientRect();
    const { left, w, h } = this.place;
    const clamp = (value, size) => Math.min(Math.max(Math.floor(value), 0), size - 1);
    return [clamp((event.clientY - bounds.top) / h, this.size[0]), clamp((event.clientX - bounds.left - left) / w, this.size[1])];
  }

  isInside(event) {
    const bounds = this.over.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left - this.place.left, event.clientY - bounds.top];
    return x >= 0 && y >= 0 && x < this.size[1] * this.place.w && y < this.size[0] * this.place.h;
  }

  // The cell with images under the pointer, or the nearest one within reach of it.
  near(event) {
    if (!this.isInside(event)) return null;
    const [row, column] = this.spot(event);
    const [up, aside] = [Math.floor(REACH / this.place.h), Math.floor(REACH / this.place.w)];
    let [best, least] = [null, Infinity];
    for (let r = row - up; r <= row + up; r += 1) {
      for (let c = Math.max(column - aside, 0); c <= Math.min(column + aside, this.size[1] - 1); c += 1) {
        const cell = this.at.get(r * this.size[1] + c);
        const distance = Math.hypot(r - row, c - column);
        if (cell && distance < least) [best, least] = [cell, distance];
      }
    }
    return best;
  }

  look(cell) {
    if (cell === this.cursor) return;
    this.cursor = cell;
    this.drawOver();
    if (!cell) {
      this.card.hidden = true;
      return;
    }
    const { words, rows, columns } = this.data;
    const [label, predicted] = [rows[cell.row], columns[cell.column]];
    const names = cell.hit ? [said(words.hit, { label })] : [said(words.labelled, { label }), said(words.taken, { predicted })];
    this.card.replaceChildren(...names.map((text) => make("div", "cm-names", text)), make("div", "cm-figures", this.figures(cell)));
    this.card.hidden = false;
    const { left, w, h } = this.place;
    const [x, y] = [left + (cell.column + 1) * w + 12, cell.row * h + h + 8];
    const right = x + this.card.offsetWidth < this.root.clientWidth;
    const below = y + this.card.offsetHeight < this.stage.clientHeight;
    this.card.style.left = `${right ? x : Math.max(0, left + cell.column * w - this.card.offsetWidth - 12)}px`;
    this.card.style.top = `${below ? y : Math.max(0, cell.row * h - this.card.offsetHeight - 8)}px`;
  }

  figures(cell) {
    const { words, compared } = this.data;
    const write = (n) => n.toLocaleString("en");
    if (compared) return said(words.change, { before: write(cell.before), after: write(cell.count) });
    const rate = Math.round((100 * cell.count) / Math.max(cell.total, 1));
    return said(words.share, { n: write(cell.count), total: write(cell.total), rate: `${rate}%` });
  }

  leave() {
    this.cursor = null;
    this.card.hidden = true;
    if (this.place) this.drawOver();
  }

  press(event) {
    if (event.button !== 0 || !this.isInside(event)) return;
    this.over.setPointerCapture(event.pointerId);
    this.drag = { from: this.spot(event), x: event.clientX, y: event.clientY, box: null };
  }

  dragTo(event) {
    const { from, x, y } = this.drag;
    if (!this.drag.box && Math.hypot(event.clientX - x, event.clientY - y) < 4) return;
    this.leave();
    const [row, column] = this.spot(event);
    this.drag.box = [Math.min(from[0], row), Math.max(from[0], row), Math.min(from[1], column), Math.max(from[1], column)];
    this.drawOver();
  }

  release(event) {
    if (!this.drag) return;
    const { box } = this.drag;
    this.endDrag();
    if (!box) return this.choose(this.near(event));
    const holds = ({ row, column }) => row >= box[0] && row <= box[1] && column >= box[2] && column <= box[3];
    if (this.cells.some(holds)) this.chooseBox(box);
  }

  endDrag() {
    this.drag = null;
    this.drawOver();
  }

  choose(cell) {
    if (cell) this.chooseBox([cell.row, cell.row, cell.column, cell.column]);
  }

  chooseBox(box) {
    this.box = box;
    this.drawOver();
    this.tell("cells", box);
  }

  keydown(event) {
    event.stopPropagation(); // Streamlit's own keys (R, C, Esc) and the gallery's are not meant here
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (steps[event.key] && this.errors.length) {
      const place = this.errors.indexOf(this.cursor);
      const next = place < 0 ? (steps[event.key] > 0 ? 0 : this.errors.length - 1) : place + steps[event.key];
      this.look(this.errors[(next + this.errors.length) % this.errors.length]);
    } else if (event.key === "Enter" || event.key === " ") this.choose(this.cursor);
    else if (event.key === "Escape") {
      if (this.drag) this.endDrag();
      else if (this.box) {
        this.box = null;
        this.tell("cells", null);
      }
    } else return;
    event.preventDefault();
  }
}
