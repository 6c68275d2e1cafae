// Browser side of pages/ui/gallery.py. One view per mounted gallery; names are always set as text.

const views = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) {
    view = new View(parentElement);
    views.set(parentElement, view);
  }
  view.send = (event) => setTriggerValue("event", event);
  view.update(data);
  return () => view.remove();
}

const TYPING = /^(INPUT|TEXTAREA|SELECT)$/;

function make(tag, name = "", text = "", attributes = {}) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function button(label, name, act, attributes = {}) {
  const node = make("button", `hg-button ${name}`, label, { type: "button", ...attributes });
  node.addEventListener("click", act);
  return node;
}

class View {
  constructor(parent) {
    this.root = make("div", "hg");
    parent.appendChild(this.root);
    this.selected = new Set(); // paths; in keep mode: the images that are kept
    this.anchor = null; // path where a Shift-range starts
    this.focused = null;
    this.root.addEventListener("keydown", (event) => this.keydown(event));
    // With nothing in focus, keys are meant for the page's gallery: a person can start without a click.
    this.fromPage = (event) => {
      if (event.target !== document.body || this.still || document.querySelector('[data-testid="gallery"]') !== this.root) return;
      if (event.key === "Tab" || event.key === "Shift") return;
      this.focusTile(this.focused, true);
      this.keydown(event);
    };
    window.addEventListener("keydown", this.fromPage, true);
  }

  remove() {
    window.removeEventListener("keydown", this.fromPage, true);
  }

  update(data) {
    const turned = !this.data || this.data.page !== data.page;
    const place = this.data ? this.paths().indexOf(this.focused) : -1;
    const hadFocus = this.root.contains(document.activeElement);
    this.data = data;
    this.still = data.mode === "strip" || data.mode === "picture"; // to look at only
    const paths = this.paths();
    if (data.mode === "keep") {
      this.selected = new Set(data.tiles.filter((tile) => tile.keep).map((tile) => tile.path));
    } else {
      this.selected = turned ? new Set() : new Set([...this.selected].filter((path) => paths.includes(path)));
    }
    if (data.focus) this.focused = data.focus;
    if (!paths.includes(this.focused)) this.focused = paths[Math.min(Math.max(place, 0), paths.length - 1)];
    if (data.one && this.selected.size === 0) this.selected.add(this.focused);
    this.render();
    if (hadFocus) this.focusTile(this.focused, true);
    this.showLarge();
  }

  paths() {
    return this.data.tiles.map((tile) => tile.path);
  }

  render() {
    this.root.style.setProperty("--hg-size", `${this.size()}px`);
    this.root.className = `hg hg-${this.data.mode}`;
    this.root.classList.toggle("hg-wrap", Boolean(this.data.wrap));
    this.root.dataset.testid = this.still ? this.data.mode : "gallery";
    this.nodes = new Map();
    const parts = [];
    if (!this.still) parts.push(this.toolbar());
    if (this.data.mode === "keep") {
      for (const section of this.data.sections) parts.push(this.section(section));
    } else {
      parts.push(this.grid(this.data.tiles, "Images"));
    }
    this.root.replaceChildren(...parts);
    this.mark();
  }

  size() {
    return this.still ? this.data.size : Number(sessionStorage.getItem("hg-size")) || this.data.size;
  }

  // --- parts -------------------------------------------------------------------------------------------------------------

  toolbar() {
    const bar = make("div", "hg-toolbar", "", { role: "toolbar", "aria-label": "Gallery" });
    if (this.data.mode === "select" && this.data.actions.length) {
      this.count = make("span", "hg-count", "", { "data-testid": "selection-count", "aria-live": "polite" });
      bar.append(this.count);
      this.buttons = this.data.actions.map((action) => {
        const node = button(action.label, action.primary ? "hg-primary" : "", () => this.act(action, node), { title: this.tip(action) });
        bar.append(node);
        return [action, node];
      });
    }
    bar.append(make("span", "hg-space"));
    bar.append(this.slider());
    if (this.data.pages > 1) bar.append(this.pager());
    bar.append(button("?", "hg-quiet", () => this.showKeys(), { title: "Keys", "aria-label": "Show the keys" }));
    return bar;
  }

  tip(action) {
    const key = action.key ? `key ${action.key.toUpperCase()}` : "";
    return [action.help, key].filter(Boolean).join(" · ");
  }

  slider() {
    const input = make("input", "hg-slider", "", { type: "range", min: 80, max: 320, step: 10, title: "Size", "aria-label": "Size of the images" });
    input.value = this.size();
    input.addEventListener("input", () => {
      sessionStorage.setItem("hg-size", input.value);
      this.root.style.setProperty("--hg-size", `${input.value}px`);
    });
    return input;
  }

  pager() {
    const { page, pages, first, total, sections, tiles } = this.data;
    const pager = make("span", "hg-pager");
    const turn = (to) => () => this.send({ type: "page", to });
    const previous = button("‹", "hg-quiet", turn(page - 1), { "data-testid": "previous-page", title: "Previous page", "aria-label": "Previous page" });
    const next = button("›", "hg-quiet", turn(page + 1), { "data-testid": "next-page", title: "Next page", "aria-label": "Next page" });
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
    const last = first + (sections || tiles).length;
    const format = (number) => number.toLocaleString("en");
    pager.append(previous, make("span", "hg-range", `${format(first + 1)}–${format(last)} of ${format(total)}`), next);
    return pager;
  }

  section(section) {
    const tiles = this.data.tiles.filter((tile) => tile.section === section.id);
    const box = make("section", tiles.length > 2 ? "hg-section hg-wide" : "hg-section", "", { "data-section": section.id, "aria-label": section.title });
    const title = make("div", "hg-title", section.title);
    if (section.badge) title.append(make("span", "hg-chip hg-warn", section.badge));
    const foot = make("div", "hg-actions");
    for (const action of this.data.actions.filter((action) => action.section)) {
      const node = button(action.label, action.primary ? "hg-primary" : "", () => this.act(action, node, section.id), { title: this.tip(action) });
      node.dataset.action = action.id;
      foot.append(node);
    }
    box.append(title, make("div", "hg-note", section.note), this.grid(tiles, section.title), foot);
    return box;
  }

  grid(tiles, label) {
    const grid = make("div", "hg-grid", "", { role: this.still ? "list" : "listbox", "aria-label": label });
    if (!this.still) grid.setAttribute("aria-multiselectable", "true");
    grid.append(...tiles.map((tile) => this.tile(tile)));
    return grid;
  }

  tile(tile) {
    const role = this.still ? "listitem" : "option";
    const node = make("div", "hg-tile", "", { "data-testid": this.still ? "example" : "tile", role, tabindex: "-1", title: tile.path });
    node.dataset.path = tile.path;
    const frame = make("div", "hg-frame");
    if (tile.src) {
      const image = make("img", "", "", { src: tile.src, alt: tile.path, draggable: "false" });
      frame.append(image);
    } else {
      frame.append(make("span", "hg-missing", "no thumbnail"));
    }
    const badge = make("span", `hg-badge hg-${tile.tone || "plain"}`, tile.badge || "", { "data-testid": "badge" });
    badge.hidden = !tile.badge;
    frame.append(badge);
    const caption = make("div", "hg-caption");
    caption.append(...(tile.caption || "").split("\n").map((line) => make("div", "hg-line", line)));
    node.append(frame, caption);
    if (!this.still) {
      frame.append(make("span", "hg-check", "✓", { "aria-hidden": "true" }));
      node.addEventListener("click", (event) => this.click(tile, event));
      node.addEventListener("dblclick", () => this.open(tile.path));
    }
    this.nodes.set(tile.path, node);
    return node;
  }

  // --- selection ---------------------------------------------------------------------------------------------------------

  click(tile, event) {
    const onCheck = event.target.classList.contains("hg-check");
    if (event.shiftKey && this.data.mode === "select" && this.anchor) {
      this.selectRange(this.anchor, tile.path);
    } else if (this.data.one && !onCheck && !event.ctrlKey && !event.metaKey) {
      this.selected = new Set([tile.path]);
      this.anchor = tile.path;
    } else {
      this.toggle(tile.path);
      this.anchor = tile.path;
    }
    this.focusTile(tile.path);
    this.mark();
  }

  toggle(path) {
    if (!this.selected.delete(path)) this.selected.add(path);
  }

  selectRange(from, to) {
    const paths = this.paths();
    const [low, high] = [paths.indexOf(from), paths.indexOf(to)].sort((a, b) => a - b);
    paths.slice(Math.max(low, 0), high + 1).forEach((path) => this.selected.add(path));
  }

  mark() {
    for (const [path, node] of this.nodes) {
      const on = this.selected.has(path);
      node.classList.toggle("hg-on", on);
      if (!this.still) node.setAttribute("aria-selected", String(on));
      node.tabIndex = path === this.focused && !this.still ? 0 : -1;
    }
    if (this.data.mode === "keep") this.markSections();
    if (!this.count || this.data.mode !== "select") return;
    const count = this.selected.size;
    this.count.textContent = `${count} selected`;
    for (const [action, node] of this.buttons) {
      node.disabled = count === 0;
      node.textContent = count > 1 ? `${action.label} (${count})` : action.label;
    }
  }

  markSections() {
    for (const action of this.data.actions.filter((action) => action.section)) {
      for (const node of this.root.querySelectorAll(`[data-action="${action.id}"]`)) {
        const { paths, others } = this.inSection(node.closest("section").dataset.section);
        node.textContent = action.label.replace("{kept}", paths.length).replace("{others}", others.length);
        node.disabled = action.label.includes("{others}") && (others.length === 0 || paths.length === 0);
      }
    }
  }

  inSection(id) {
    const tiles = this.data.tiles.filter((tile) => tile.section === id).map((tile) => tile.path);
    return { paths: tiles.filter((path) => this.selected.has(path)), others: tiles.filter((path) => !this.selected.has(path)) };
  }

  focusTile(path, quietly = false) {
    const changed = path !== this.focused;
    this.focused = path;
    const node = this.nodes.get(path);
    if (!node) return;
    for (const other of this.nodes.values()) other.tabIndex = -1;
    node.tabIndex = 0;
    node.focus({ preventScroll: quietly });
    if (this.data.one && changed && !quietly) this.send({ type: "focus", to: path });
  }

  move(step) {
    const paths = this.paths();
    const to = Math.min(Math.max(paths.indexOf(this.focused) + step, 0), paths.length - 1);
    if (this.data.one) this.selected = new Set([paths[to]]);
    this.focusTile(paths[to]);
    this.mark();
  }

  columns() {
    const tops = [...this.nodes.values()].map((node) => node.offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  }

  // --- actions -----------------------------------------------------------------------------------------------------------

  act(action, node, section = "") {
    let chosen = { paths: [...this.selected].filter((path) => this.nodes.has(path)), others: [] };
    if (section) chosen = this.inSection(section);
    else if (chosen.paths.length === 0 && this.focused) chosen.paths = [this.focused];
    if (chosen.paths.length + chosen.others.length === 0) return;
    if (action.choose.length || action.free) {
      this.choose(action, node, (value) => this.commit(action, chosen, section, value));
    } else {
      this.commit(action, chosen, section, "");
    }
  }

  commit(action, chosen, section, value) {
    for (const path of section ? [...chosen.paths, ...chosen.others] : chosen.paths) {
      const badge = this.nodes.get(path).querySelector(".hg-badge");
      badge.textContent = "saving…";
      badge.className = "hg-badge hg-plain";
      badge.hidden = false;
    }
    if (!section) this.selected = new Set();
    this.closeLarge();
    this.send({ type: "act", action: action.id, section, value, ...chosen });
  }

  choose(action, node, done) {
    this.root.querySelector(".hg-menu")?.remove();
    const menu = make("div", "hg-menu", "", { role: "dialog", "aria-label": action.label });
    const input = make("input", "hg-input", "", { type: "text", placeholder: action.free ? "Find or type a name" : "Find a class", "aria-label": action.label });
    const list = make("div", "hg-list", "", { role: "listbox" });
    let at = 0;
    const pick = (value) => { menu.remove(); done(value); };
    const fill = () => {
      const words = input.value.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
      const fits = action.choose.filter((name) => words.every((word) => name.toLowerCase().includes(word))).slice(0, 60);
      const typed = input.value.normalize("NFC").trim();
      const names = action.free && typed && !fits.includes(typed) ? [...fits, typed] : fits;
      at = Math.min(at, Math.max(names.length - 1, 0));
      list.replaceChildren(...names.map((name, index) => {
        const row = make("div", index === at ? "hg-row hg-at" : "hg-row", name, { role: "option", "aria-selected": String(index === at) });
        row.addEventListener("mousedown", (event) => { event.preventDefault(); pick(name); });
        return row;
      }));
      if (!names.length) list.append(make("div", "hg-none", "no class has this name"));
      list.children[at]?.scrollIntoView({ block: "nearest" });
      return names;
    };
    input.addEventListener("input", () => { at = 0; fill(); });
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      const names = fill();
      if (event.key === "ArrowDown") at = Math.min(at + 1, names.length - 1);
      else if (event.key === "ArrowUp") at = Math.max(at - 1, 0);
      else if (event.key === "Enter" && names[at]) return pick(names[at]);
      else if (event.key === "Escape") { menu.remove(); return this.focusTile(this.focused, true); }
      else return;
      event.preventDefault();
      fill();
    });
    input.addEventListener("blur", () => menu.remove());
    menu.append(input, list);
    node.after(menu);
    fill();
    input.focus();
  }

  // --- keys --------------------------------------------------------------------------------------------------------------

  keydown(event) {
    if (this.still || TYPING.test(event.target.tagName) && event.target.type !== "range") return;
    event.stopPropagation(); // Streamlit's own keys (R, C, Esc) are not meant here
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (this.data.mode === "select") this.paths().forEach((path) => this.selected.add(path));
      return this.mark();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.type === "range") return;
    const inTiles = event.target.classList.contains("hg-tile") || this.dialog?.open;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() };
    if (steps[event.key] && inTiles) {
      event.preventDefault();
      const before = this.focused;
      this.move(steps[event.key]);
      if (event.shiftKey && this.data.mode === "select") { this.selectRange(before, this.focused); this.mark(); }
      if (this.dialog?.open) this.open(this.focused);
    } else if (event.key === " " && inTiles) {
      event.preventDefault();
      this.toggle(this.focused);
      this.anchor = this.focused;
      this.mark();
    } else if (event.key === "Enter" && inTiles) {
      event.preventDefault();
      if (this.dialog?.open) this.closeLarge(); else this.open(this.focused);
    } else if (event.key === "Escape") {
      if (this.dialog?.open) return;
      this.selected = this.data.mode === "select" ? new Set() : this.selected;
      this.mark();
    } else if (event.key === "?") {
      this.showKeys();
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      const to = this.data.page + (event.key === "PageDown" ? 1 : -1);
      if (to >= 0 && to < this.data.pages) { event.preventDefault(); this.send({ type: "page", to }); }
    } else {
      const action = this.data.actions.find((action) => action.key && action.key === event.key.toLowerCase());
      if (action) { event.preventDefault(); this.actByKey(action); }
    }
  }

  actByKey(action) {
    if (!action.section) return this.act(action, this.root.querySelector(".hg-toolbar").firstChild);
    const section = this.nodes.get(this.focused)?.closest("section");
    const node = section?.querySelector(`[data-action="${action.id}"]`);
    if (node && !node.disabled) node.click();
  }

  // --- large view and help -----------------------------------------------------------------------------------------------

  open(path) {
    this.focused = path;
    if (this.data.mode === "select") this.selected = new Set([path]);
    this.mark();
    const tile = this.data.tiles.find((tile) => tile.path === path);
    this.large(path, tile.src, tile.caption);
    this.send({ type: "large", to: path });
  }

  large(path, src, note) {
    if (!this.dialog) {
      this.dialog = make("dialog", "hg-dialog", "", { "aria-label": "Large view" });
      this.dialog.addEventListener("close", () => { this.send({ type: "large", to: null }); this.focusTile(this.focused, true); });
      this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    }
    const image = make("img", "hg-large", "", { alt: path });
    if (src) image.src = src;
    const foot = make("div", "hg-foot");
    foot.append(make("span", "hg-path", path), make("span", "hg-note", note || ""), button("Close", "", () => this.dialog.close()));
    this.dialog.replaceChildren(image, foot);
    this.dialog.dataset.path = path;
    this.root.append(this.dialog);
    if (!this.dialog.open) this.dialog.showModal();
  }

  showLarge() {
    const { large } = this.data;
    if (this.dialog?.open) this.root.append(this.dialog);
    if (large && this.dialog?.open && this.dialog.dataset.path === large.path) this.large(large.path, large.src, large.problem);
  }

  closeLarge() {
    if (this.dialog?.open) this.dialog.close();
  }

  showKeys() {
    const lines = this.data.actions.filter((action) => action.key).map((action) => [action.key.toUpperCase(), action.label.replace(/[{}]/g, "")]);
    const general = [["←↑→↓", "move"], ["Space", this.data.mode === "keep" ? "keep or not" : "select"], ["Enter", "large view"], ["PgDn PgUp", "next, previous page"]];
    if (this.data.mode === "select") general.push(["Ctrl A", "select the page"], ["Shift", "with a click or an arrow: a range"], ["Esc", "select nothing"]);
    const dialog = make("dialog", "hg-dialog hg-keys", "", { "aria-label": "Keys" });
    const table = make("dl", "");
    for (const [key, meaning] of [...lines, ...general]) table.append(make("dt", "", key), make("dd", "", meaning));
    dialog.append(table, button("Close", "", () => dialog.close()));
    dialog.addEventListener("close", () => dialog.remove());
    this.root.append(dialog);
    dialog.showModal();
  }
}
