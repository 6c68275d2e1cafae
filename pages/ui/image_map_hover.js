// The picture of the point under the pointer, and the mailbox by which it comes. Names are always set as text. Comes before
// image_map.js, in one module with it.

const HOVER_WAIT = 60; // milliseconds that the pointer rests before a picture is asked for
const AHEAD = 6; // pictures asked for at once: of the point in question and those around it
const PATIENCE = 4000; // milliseconds after which a picture is asked for again though no answer came
const KEPT = 2000; // pictures kept
const mailboxes = new Map(); // key of a map -> Mailbox

function mailbox(key) {
  if (!mailboxes.has(key)) mailboxes.set(key, new Mailbox());
  return mailboxes.get(key);
}

// What Python sends beside the points.
class Mailbox {
  constructor() {
    this.pictures = new Map(); // row -> { row, src, path, label }
    this.news = null; // what Python said last: id (of the map), selected, answered
    this.waiting = false; // for pictures
    this.arrived = () => {};
    this.pictured = () => {};
  }

  deliver(data, send) {
    const first = !this.send;
    this.send = send;
    if (data.version !== this.version) this.pictures.clear();
    this.version = data.version;
    for (const tile of data.tiles) this.pictures.set(tile.row, tile);
    while (this.pictures.size > KEPT) this.pictures.delete(this.pictures.keys().next().value);
    this.news = data;
    this.arrived();
    if (data.tiles.length || first) this.stopWaiting();
  }

  ask(rows) {
    if (!this.send || this.waiting) return;
    this.waiting = true;
    clearTimeout(this.patience);
    this.patience = setTimeout(() => this.stopWaiting(), PATIENCE);
    this.send(rows.filter((row) => !this.pictures.has(row)));
  }

  stopWaiting() {
    clearTimeout(this.patience);
    this.waiting = false;
    this.pictured();
  }
}

// A card beside the point under the pointer, with its picture, label and path.
class Hover {
  constructor(view) {
    this.view = view;
    this.card = make("div", "hm-card", "", { "data-testid": "map-hover" });
    this.card.hidden = true;
    view.mail.pictured = () => this.show();
  }

  look(event) {
    if (!this.view.view) return; // nothing is drawn yet
    const near = this.view.near(event, AHEAD);
    if (near[0] === this.row) return;
    clearTimeout(this.waiting);
    this.row = near[0];
    this.view.drawOver();
    if (this.row === undefined) return this.hide();
    this.around = near;
    this.waiting = setTimeout(() => this.show(), HOVER_WAIT);
  }

  show() {
    if (this.row === undefined) return;
    const tile = this.view.mail.pictures.get(this.row);
    if (!tile) {
      this.card.hidden = true;
      return this.view.mail.ask(this.around);
    }
    const image = make("img", "", "", { alt: "" });
    if (tile.src) image.src = tile.src;
    this.card.replaceChildren(...(tile.src ? [image] : []), make("div", "hm-label", tile.label), make("div", "hm-path", tile.path));
    this.card.hidden = false;
    const [x, y] = this.view.onCanvas(this.row).map((pixels) => pixels / this.view.ratio);
    const { clientWidth: width, clientHeight: height } = this.view.stage;
    const right = x < width - this.card.offsetWidth - 20;
    this.card.style.left = `${right ? x + 14 : Math.max(0, x - this.card.offsetWidth - 14)}px`;
    this.card.style.top = `${Math.max(4, Math.min(y - 30, height - this.card.offsetHeight - 4))}px`;
  }

  hide() {
    clearTimeout(this.waiting);
    this.card.hidden = true;
    if (this.row === undefined) return;
    this.row = undefined;
    this.view.drawOver();
  }
}
