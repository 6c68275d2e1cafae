// Browser side of pages/ui/image_map.py: a MapView per mounted map, and a mailbox by which all comes that changes often: what is
// selected, and pictures of hovered points. The other image_map_*.js come before, in one module.

const views = new WeakMap();

const CLEARLY = ["#e4572e", "#2e86de", "#2ca58d", "#f2b134", "#8e5bd0", "#d6458b", "#6aa31f", "#00a3c4", "#b06a2c", "#7a7f87"];
const GREY = "#969ba0";
const QUICK = 14; // milliseconds: what takes longer to draw is moved as a picture while it moves, and drawn when it rests
let lastNumber = Date.now(); // of a selection; no two of a session have the same

export default function ({ data, parentElement, setTriggerValue }) {
  if (data.mode === "mail") {
    mailbox(data.map).deliver(data, (rows) => setTriggerValue("wanted", { rows, map: data.id }));
    return () => {};
  }
  let view = views.get(parentElement);
  if (!view) {
    view = new MapView(parentElement, mailbox(data.map));
    views.set(parentElement, view);
  }
  view.tell = (event) => setTriggerValue("selected", event);
  view.update(data);
  return () => view.remove();
}

class MapView {
  constructor(parent, mail) {
    this.parent = parent;
    this.mail = mail;
    mail.arrived = () => this.data && this.hear();
    this.lit = []; // codes that are highlighted, in the order of the clicks
    this.marked = null; // which rows are selected (N,), or null
    this.sent = 0; // number of the last selection that Python was told
    this.placed = false; // whether the person has moved the map
    this.pans = false; // whether dragging moves the map
    this.build();
    parent.appendChild(this.root);
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.stage);
  }

  remove() {
    if (this.root.isConnected) return; // Streamlit says so too of data that newer data has overtaken
    this.resized.disconnect();
  }

  build() {
    this.root = make("div", "hm", "", { "data-testid": "image-map" });
    this.stage = make("div", "hm-stage");
    this.canvas = make("canvas", "hm-points", "", { "aria-hidden": "true" });
    this.over = make("canvas", "hm-over", "", { tabindex: "0", role: "application", "data-testid": "map-canvas" });
    this.hover = new Hover(this);
    this.bar = make("div", "hm-bar", "", { role: "toolbar" });
    this.said = make("span", "hm-said", "", { "aria-live": "polite", "data-testid": "map-selected" });
    this.legend = new Legend({
      highlight: (code) => this.highlight(code),
      select: (code, add) => this.select((row) => this.code[row] === code, add),
    });
    this.stage.append(this.canvas, this.over, this.hover.card);
    const [body, left] = [make("div", "hm-body"), make("div", "hm-left")];
    left.append(this.bar, this.stage);
    body.append(left, this.legend.root);
    this.root.append(body);
    this.listen();
  }

  buildBar() {
    const { words } = this.data;
    const button = (text, name, act, pressed) => {
      const node = make("button", "hm-button", text, { type: "button", title: name, "aria-label": name });
      if (pressed !== undefined) node.setAttribute("aria-pressed", `${pressed}`);
      node.addEventListener("click", act);
      return node;
    };
    const mode = (pans) => () => {
      this.pans = pans;
      this.buildBar();
      this.over.focus();
    };
    this.clearButton = button("✕", words.clear, () => {
      this.clear();
      this.over.focus();
    });
    this.bar.replaceChildren(
      button(words.lasso, words.lasso_help, mode(false), !this.pans), button(words.pan, words.pan_help, mode(true), this.pans),
      button("+", words.zoom_in, () => this.zoom(1.5)), button("−", words.zoom_out, () => this.zoom(1 / 1.5)),
      button(words.fit, words.fit_help, () => this.fit()), this.said, this.clearButton);
    this.bar.setAttribute("aria-label", words.tools);
    this.over.classList.toggle("hm-pans", this.pans);
  }

  // --- what Python says --------------------------------------------------------------------------------------------------

  update(data) {
    const before = this.data;
    this.data = data;
    const moved = before?.points !== data.points || before.count !== data.count;
    if (moved) {
      this.points = new Points(data.points, data.count);
      this.marked = null;
      this.placed = false;
    }
    if (moved || before.codes !== data.codes || before.colours !== data.colours) {
      this.code = decode(data.codes, Uint16Array);
      const keeps = before?.by === data.by && !moved; // then the names may have other codes: one was emptied, or is new
      this.lit = keeps ? this.lit.map((code) => data.names.indexOf(before.names[code])).filter((code) => code >= 0) : [];
      if (!keeps) this.legend.search.value = "";
    }
    this.marks = undefined; // to be heard anew
    this.hear(false);
    this.over.setAttribute("aria-label", `${data.title}. ${data.words.keys}`);
    if (before?.words.lasso !== data.words.lasso) this.buildBar();
    this.recolour();
    if (moved || !this.image) this.resize();
    else this.draw();
  }

  // What Python says is selected, unless the person has selected since.
  hear(redraw = true) {
    const { news } = this.mail;
    if (!news || news.id !== this.data.id || news.answered < this.sent || news.selected === this.marks) return;
    this.marks = news.selected;
    this.marked = news.selected ? decodeBits(news.selected, this.data.count) : null;
    if (redraw) this.redraw();
  }

  // Colours, levels and the legend, after anything of it has changed.
  recolour() {
    const { names, colours, words } = this.data;
    const palette = new Uint8Array(4 * colours.length);
    const shown = colours.map((colour, code) => {
      if (!this.lit.length) return colour;
      return this.lit.includes(code) ? CLEARLY[this.lit.indexOf(code) % CLEARLY.length] : GREY;
    });
    shown.forEach((colour, code) => palette.set([1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16)), 4 * code));
    this.palette = palette;
    const faint = colours.map((colour, code) => (this.lit.length ? !this.lit.includes(code) : colour === GREY));
    const count = new Uint32Array(colours.length);
    const chosen = new Uint32Array(colours.length);
    this.level = new Uint8Array(this.points.count);
    let selected = 0;
    for (let i = 0; i < this.points.count; i += 1) {
      const code = this.code[i];
      if (code === HIDDEN) continue;
      count[code] += 1;
      if (this.marked?.[i]) {
        chosen[code] += 1;
        selected += 1;
      }
      this.level[i] = this.marked ? (this.marked[i] ? STRONG : FAINT) : faint[code] ? FAINT : this.lit.length ? STRONG : PLAIN;
    }
    const entries = names.map((name, code) => ({
      code, name, colour: shown[code], count: count[code], selected: selected ? chosen[code] : null, on: this.lit.includes(code),
    }));
    const used = entries.filter((entry) => entry.count);
    if (selected) used.sort((a, b) => b.selected - a.selected); // stable: of equals, the order of the data
    this.legend.show(used, words);
    const all = count.reduce((sum, n) => sum + n, 0);
    this.said.textContent = selected ? fill(words.selected, { n: number(selected) }) : fill(words.images, { n: number(all) });
    this.clearButton.style.visibility = this.marked || this.lit.length ? "" : "hidden";
  }

  // --- selection and highlight -------------------------------------------------------------------------------------------

  isShown = (row) => this.code[row] !== HIDDEN;

  // Selects what is shown and `wanted(row)`, beside what is selected already if `add`.
  select(wanted, add = false) {
    const marked = new Uint8Array(this.points.count);
    let any = false;
    for (let i = 0; i < marked.length; i += 1) {
      if ((add && this.marked?.[i]) || (this.isShown(i) && wanted(i))) any = marked[i] = 1;
    }
    this.marked = any ? marked : null;
    this.sent = ++lastNumber;
    this.marks = any ? encodeBits(marked) : "";
    this.tell({ map: this.data.id, number: this.sent, rows: this.marks });
    this.redraw();
  }

  selectRows(rows, add) {
    const chosen = new Set(rows);
    this.select((row) => chosen.has(row), add);
  }

  // Nothing is selected or highlighted.
  clear() {
    const lit = this.lit.length;
    this.lit = [];
    if (this.marked) this.select(() => false);
    else if (lit) this.redraw();
  }

  highlight(code) {
    this.lit = this.lit.includes(code) ? this.lit.filter((other) => other !== code) : [...this.lit, code];
    this.redraw();
  }

  redraw() {
    this.recolour();
    this.draw();
  }

  // --- view --------------------------------------------------------------------------------------------------------------

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !this.points) return;
    this.ratio = window.devicePixelRatio || 1;
    this.root.style.setProperty("--hm-tall", `${this.stage.parentElement.offsetHeight}px`);
    for (const canvas of [this.canvas, this.over]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.image = new ImageData(this.canvas.width, this.canvas.height);
    this.picture = null;
    const [right, top] = this.points.high;
    this.whole = 0.94 * Math.min(this.canvas.width / Math.max(right, 1), this.canvas.height / Math.max(top, 1));
    if (this.placed) this.draw();
    else this.fit();
  }

  // The whole map, also after the next change of the window, until the person moves it.
  fit() {
    const [right, top] = this.points.high;
    this.view = { x: right / 2, y: top / 2, scale: this.whole };
    this.placed = false;
    this.draw();
  }

  // Zoom by a factor about a place of the canvas, in its pixels; its middle if none is given.
  zoom(factor, px = this.canvas.width / 2, py = this.canvas.height / 2) {
    const [x, y] = this.place(px, py);
    const scale = Math.min(this.whole * 400, Math.max(this.whole * 0.5, this.view.scale * factor));
    this.view = { scale, x: x - (px - this.canvas.width / 2) / scale, y: y + (py - this.canvas.height / 2) / scale };
    this.moved();
  }

  // Move by pixels of the canvas.
  pan(dx, dy) {
    this.view = { ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y + dy / this.view.scale };
    this.moved();
  }

  place(px, py) {
    return [this.view.x + (px - this.canvas.width / 2) / this.view.scale, this.view.y - (py - this.canvas.height / 2) / this.view.scale];
  }

  onCanvas(row) {
    return [(this.points.x[row] - this.view.x) * this.view.scale + this.canvas.width / 2,
      (this.view.y - this.points.y[row]) * this.view.scale + this.canvas.height / 2];
  }

  radius() {
    const size = Math.min(4, Math.max(1, 170 / Math.sqrt(this.points.count))); // CSS pixels
    return Math.min(9, size * Math.max(1, this.view.scale / this.whole) ** 0.4) * this.ratio;
  }

  // After pan or zoom: where drawing takes long, the last picture is moved, and drawn anew when the map rests.
  moved() {
    this.placed = true;
    this.hover.hide();
    if (!this.picture || this.took < QUICK) return this.draw();
    const { scale, x, y } = this.picture;
    const factor = this.view.scale / scale;
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.clearRect(0, 0, width, height);
    pen.drawImage(this.pictureCanvas, width / 2 + (x - this.view.x) * this.view.scale - (width / 2) * factor,
      height / 2 + (this.view.y - y) * this.view.scale - (height / 2) * factor, width * factor, height * factor);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.draw(), 90);
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  paint() {
    if (!this.image || !this.root.isConnected) return;
    const began = performance.now();
    drawPoints(this.image, this.points, this.view, this.level, (row) => 4 * this.code[row], this.palette, this.radius(),
      this.marked || this.lit.length ? 0.16 : OPACITY[FAINT]);
    this.canvas.getContext("2d").putImageData(this.image, 0, 0);
    this.took = performance.now() - began;
    this.picture = { ...this.view };
    if (this.took >= QUICK) this.keepPicture();
    this.root.dataset.painted = `${Number(this.root.dataset.painted || 0) + 1}`;
    this.drawOver();
  }

  keepPicture() {
    this.pictureCanvas ??= document.createElement("canvas");
    this.pictureCanvas.width = this.canvas.width;
    this.pictureCanvas.height = this.canvas.height;
    this.pictureCanvas.getContext("2d").drawImage(this.canvas, 0, 0);
  }

  // The lasso, and a ring around the point under the pointer.
  drawOver() {
    const pen = this.over.getContext("2d");
    pen.clearRect(0, 0, this.over.width, this.over.height);
    const style = getComputedStyle(this.root);
    pen.strokeStyle = style.color;
    pen.lineWidth = 1.5 * this.ratio;
    if (this.drag?.lasso?.length > 1) {
      pen.fillStyle = style.getPropertyValue("--hm-veil");
      pen.beginPath();
      for (const [x, y] of this.drag.lasso) pen.lineTo(x, y);
      pen.closePath();
      pen.fill();
      pen.setLineDash([5 * this.ratio, 4 * this.ratio]);
      pen.stroke();
      pen.setLineDash([]);
    }
    if (this.hover.row !== undefined) {
      pen.beginPath();
      pen.arc(...this.onCanvas(this.hover.row), this.radius() + 3 * this.ratio, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  // --- pointer and keys --------------------------------------------------------------------------------------------------

  listen() {
    const { over } = this;
    over.addEventListener("pointerdown", (event) => this.press(event));
    over.addEventListener("pointermove", (event) => (this.drag ? this.dragTo(event) : this.hover.look(event)));
    over.addEventListener("pointerup", (event) => this.release(event));
    over.addEventListener("pointercancel", () => this.endDrag());
    over.addEventListener("pointerleave", () => this.hover.hide());
    over.addEventListener("dblclick", () => this.clear());
    over.addEventListener("keydown", (event) => this.keydown(event));
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.zoom(Math.exp(-Math.max(-300, Math.min(300, event.deltaY * lines)) / 400), ...this.at(event));
    }, { passive: false });
  }

  at(event) {
    const box = this.over.getBoundingClientRect();
    return [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
  }

  press(event) {
    if (event.button > 1) return;
    event.preventDefault(); // no text is marked while dragging, and the middle button does not scroll
    this.over.focus({ preventScroll: true });
    this.over.setPointerCapture(event.pointerId);
    this.hover.hide();
    const pans = this.pans || event.shiftKey || event.button === 1;
    this.drag = { last: this.at(event), lasso: pans ? null : [this.at(event)], way: 0 };
    this.over.classList.toggle("hm-held", pans);
  }

  dragTo(event) {
    const [x, y] = this.at(event);
    const [dx, dy] = [x - this.drag.last[0], y - this.drag.last[1]];
    const step = Math.hypot(dx, dy);
    if (this.drag.lasso && step < 3 * this.ratio) return;
    this.drag.way += step;
    this.drag.last = [x, y];
    if (!this.drag.lasso) return this.pan(dx, dy);
    this.drag.lasso.push([x, y]);
    this.drawOver();
  }

  release(event) {
    if (!this.drag) return;
    const { lasso, way } = this.drag;
    const add = event.ctrlKey || event.metaKey;
    this.endDrag();
    if (lasso?.length > 2) return this.selectRows(this.points.within(lasso.map((at) => this.place(...at)), this.isShown), add);
    if (way > 4 * this.ratio || event.button === 1) return;
    const [row] = this.near(event, 1);
    if (row !== undefined) this.selectRows([row], add);
  }

  endDrag() {
    this.drag = null;
    this.over.classList.remove("hm-held");
    this.drawOver();
  }

  keydown(event) {
    event.stopPropagation(); // Streamlit's own keys (R, C, Esc) and the gallery's are not meant here
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 60 * this.ratio;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) this.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.3);
    else if (event.key === "-" || event.key === "_") this.zoom(1 / 1.3);
    else if (event.key === "0") this.fit();
    else if (event.key === "Escape") this.drag ? this.endDrag() : this.clear();
    else return;
    event.preventDefault();
  }

  near(event, most) {
    const reach = (this.radius() + 8 * this.ratio) / this.view.scale;
    return this.points.nearest(...this.place(...this.at(event)), reach, most, this.isShown);
  }
}
