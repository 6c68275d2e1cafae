// Browser side of pages/ui/gallery.py: one View per mounted gallery. The other gallery_*.js come before, in one module.
//
// Modes: select (a grid), keep (sections of which some images are kept), strip and picture (to look at only); ahead draws nothing
// and keeps the pages before and after the one shown.

const views = new WeakMap();

const AGAIN = 4_000; // milliseconds after which an event without an answer is sent again, until there is one
const ASKED = 3; // times that a thumbnail which does not come is asked for: there may be none
const PAUSE = 2_000; // milliseconds without a decision after which the list without the decided images is asked for
const ROOM = 240; // pixels of a gallery in view that show what it holds
const NAMED_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageDown", "PageUp", "Enter", "Escape", "Backspace"];
const TYPING = `input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable=true], [role=combobox],
  [role=listbox], [role=grid], [role=dialog], canvas, dialog`;
let lastId = Date.now(); // of an event; no two views of a session give the same
let lastAskedFor = 0; // survives that a choice builds the gallery anew

export default function ({ data, parentElement, setTriggerValue }) {
  Object.assign(words, data.words);
  keepThumbnails(data.thumbnails || {});
  if (data.mode === "ahead") {
    ahead.set(data.gallery, data.pages);
    return decodeAhead(data.thumbnails);
  }
  let view = views.get(parentElement);
  if (!view) {
    view = new View(parentElement);
    views.set(parentElement, view);
  }
  view.trigger = (event) => setTriggerValue("event", event);
  if (!view.isPast(data)) view.update(data);
  return () => view.remove();
}

class View {
  constructor(parent) {
    this.parent = parent;
    this.root = make("div", "hg");
    parent.appendChild(this.root);
    this.selected = new Set(); // paths; in keep mode: of the images that are kept
    this.anchor = null; // path where a Shift-range starts
    this.picking = false; // whether images were picked one by one: moving on then leaves them selected
    this.focused = null;
    this.asked = null; // the event whose answer is awaited
    this.later = []; // events to send when it has come
    this.keys = []; // keys pressed meanwhile
    this.decided = new Set(); // paths of what was decided since the images were last listed
    this.done = new Set(); // paths of what was decided on this page, also where decided images stay in the list
    this.said = new Map(); // section -> what was last decided in it
    this.all = false; // whether all that match are selected, not only those of this page
    this.missed = new Map(); // content hash -> how often a thumbnail that did not come was asked for
    this.root.addEventListener("keydown", (event) => this.keydown(event));
    this.root.addEventListener("hg-closed", () => setTimeout(() => this.postponed && this.update(this.postponed)));
    // With nothing in focus, keys are meant for the page's gallery: a person can start without a click.
    this.fromPage = (event) => {
      if (this.root.contains(event.target) || document.querySelector('[data-testid="gallery"]') !== this.root) return;
      const idle = event.target === document.body || (event.target.closest("a") && event.key !== "Enter"); // a link brought us
      // On a control that takes no text (a switch, a button), letters are still for the gallery; other keys are the control's.
      if (!idle && (event.target.closest(TYPING) || letterOf(event).length !== 1 || event.key === " ")) return;
      if (event.key === "Tab" || event.key === "Shift" || document.querySelector("dialog[open]")) return;
      // Where nothing is selected, a key that decides shows first which image it is for.
      const unseen = this.data.mode === "select" && this.selected.size === 0 && this.actionFor(event);
      this.focusTile(this.focused, !unseen);
      if (unseen) event.preventDefault();
      else this.keydown(event);
    };
    window.addEventListener("keydown", this.fromPage, true);
    // What is clicked elsewhere while decisions are on their way waits until they are saved: it may take the gallery away, show
    // other images to the keys that wait, or take back what was decided last.
    this.fromElsewhere = (event) => {
      const control = event.target.closest?.("a[href], button, label");
      if (!control || this.parent.contains(control) || !this.hasUnsaved() || !isPlain(event) || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.leaveBy = control;
    };
    document.addEventListener("click", this.fromElsewhere, true);
    this.beforeUnload = (event) => this.hasUnsaved() && event.preventDefault(); // the browser asks whether to leave
    window.addEventListener("beforeunload", this.beforeUnload);
  }

  remove() {
    if (this.root.isConnected) return; // Streamlit says so too of data that newer data has overtaken
    window.removeEventListener("keydown", this.fromPage, true);
    document.removeEventListener("click", this.fromElsewhere, true);
    window.removeEventListener("beforeunload", this.beforeUnload);
    clearInterval(this.again);
    clearTimeout(this.missing);
    clearTimeout(this.refresh);
    this.large?.node.remove();
  }

  // Whether this was sent before the person turned to the page that is shown already: the answer to that follows.
  isPast(data) {
    const { asked } = this;
    return asked?.type === "page" && this.data.first === asked.start && data.first !== asked.start && data.answered !== asked.id;
  }

  update(data) {
    if (this.root.querySelector(".hg-menu, .hg-page:focus")) { // what is typed there is not to become keys
      this.postponed = data;
      return;
    }
    this.postponed = null;
    const turned = this.data?.page !== data.page;
    const place = this.data ? this.paths().indexOf(this.focused) : -1;
    const { activeElement } = document;
    const hadFocus = this.root.contains(activeElement) && !activeElement.matches("input, select");
    const changed = this.receive(data);
    if (turned) {
      this.done.clear();
      this.picking = false;
    }
    this.still = data.mode === "strip" || data.mode === "picture";
    const paths = this.paths();
    const back = this.asked?.type === "undo" && data.answered === this.asked.id ? data.back : [];
    if (changed) {
      this.selected = this.selectedAfter(turned, paths);
      if (data.focus && !paths.includes(this.focused)) this.focused = data.focus;
    }
    if (!paths.includes(this.focused)) this.focused = paths[Math.min(Math.max(place, 0), paths.length - 1)];
    if (back.length) this.choose(back);
    const again = new Set(back.map((path) => this.tile(path)?.section)); // a group is decided as a whole
    for (const { path, section } of data.tiles) if (back.includes(path) || (section && again.has(section))) this.done.delete(path);
    if (data.one && this.selected.size === 0) this.selected.add(this.focused);
    if (changed) this.draw();
    this.markDecided();
    this.mark();
    const isNew = !this.opened && this.root.closest("[role=dialog]"); // keys are for the dialog
    this.opened = true;
    if (hadFocus || isNew) this.focusTile(this.focused, !back.length);
    if (hadFocus && changed) this.reveal();
    if (this.follow()) this.send({ type: "look" });
    this.large?.fill(data.large);
    this.askForMissing();
    if (data.answered === this.asked?.id) this.answered(data.refused);
    else this.replayKeys();
    this.goOn();
    if (data.asked_for) this.bringIntoView(data.asked_for);
  }

  // Take in what Python sent; whether it shows other things than before. An answer to a decision comes first, with the images as
  // they were (`decided` tells what became of them), and the new list of images follows.
  receive(data) {
    const shown = drawn(data);
    const changed = shown !== this.shown || (this.decided.size > 0 && !data.decided); // badges were painted over what was drawn
    if (data.decided) for (const path of Object.keys(data.decided)) this.decided.add(path);
    else this.decided.clear();
    this.data = data;
    this.shown = shown;
    return changed;
  }

  markDecided() {
    for (const [path, { badge, tone }] of Object.entries(this.data.decided || {})) this.setBadge(path, badge, tone);
    for (const event of [this.asked, ...this.later]) {
      if (event?.type === "act" && event.id !== this.data.answered) this.markSaving([...event.paths, ...event.others]);
    }
  }

  markSaving(paths) {
    for (const path of paths) {
      this.setBadge(path, say("saving"), "plain");
      this.decided.add(path); // no second key is for it
      this.done.add(path);
    }
  }

  setBadge(path, text, tone) {
    const badge = this.nodes.get(path)?.querySelector(".hg-badge");
    if (!badge) return;
    badge.textContent = text;
    badge.className = `hg-badge hg-${tone}`;
    badge.hidden = false;
  }

  // Thumbnails that were sent and did not come, as after a broken connection.
  askForMissing() {
    clearTimeout(this.missing);
    this.missing = setTimeout(() => {
      const hashes = missingThumbnails(this.data.tiles).filter((hash) => (this.missed.get(hash) || 0) < ASKED);
      for (const hash of hashes) this.missed.set(hash, (this.missed.get(hash) || 0) + 1);
      if (hashes.length && this.root.isConnected) this.send({ type: "missing", hashes });
    }, PATIENCE_FOR_THUMBNAILS);
  }

  // Show the page at once where it was sent ahead; Python is told in any case.
  turn(to) {
    const isFree = !this.asked;
    const next = (ahead.get(this.data.key) || []).find((other) => other.page === to && other.of === this.data.of);
    const { page: now, first: here, page_size: size } = this.data;
    const start = Math.abs(to - now) === 1 ? Math.max(0, here + (to - now) * size) : to * size;
    this.send({ type: "page", start, focus: (this.data.one && next?.tiles[0]?.path) || "" }); // first: keys that wait go on waiting
    if (next && isFree) {
      const { page, first, tiles, sections } = next;
      this.update({ ...this.data, page, first, tiles, sections, focus: tiles[0]?.path, decided: null, asked_for: 0 });
      this.root.scrollIntoView({ block: "start" });
    }
  }

  bringIntoView(askedFor) {
    const isNew = askedFor !== lastAskedFor;
    lastAskedFor = askedFor;
    const { top } = this.root.getBoundingClientRect();
    if (isNew && (top < 0 || top > window.innerHeight - ROOM)) this.root.scrollIntoView({ behavior: "smooth" });
  }

  selectedAfter(turned, paths) {
    if (this.data.mode === "keep") return new Set(this.data.tiles.filter((tile) => tile.keep).map((tile) => tile.path));
    return new Set(turned ? [] : paths.filter((path) => this.selected.has(path)));
  }

  tile(path) {
    return this.data.tiles.find((tile) => tile.path === path);
  }

  // The images that the next key is for.
  choose(paths) {
    this.all = this.picking = false;
    this.focused = paths[0];
    if (this.data.mode === "select") this.selected = new Set(paths);
  }

  paths() {
    return this.data.tiles.map((tile) => tile.path);
  }

  // --- what Python is told -----------------------------------------------------------------------------------------------

  // Streamlit keeps only the newest of the events that Python has not handled yet. So nothing is sent after an event that must
  // not be lost until its answer has come: other events wait, and so do keys, because they are about what is shown then.
  send(event) {
    if (this.asked) {
      this.later = [...this.later.filter((other) => !(isLook(event) && isLook(other))), event];
      return;
    }
    event.id = ++lastId;
    event.focus ??= this.data.one ? this.focused : null;
    event.large = this.large?.open ? this.large.paths : [];
    if (event.type === "undo") event.last = this.data.last; // after a restart Python does not know that it was done
    if (!isLook(event) && !this.still) {
      this.asked = event;
      clearInterval(this.again);
      this.again = setInterval(() => this.root.isConnected && this.trigger(event), AGAIN); // Python knows it by its id
    }
    this.trigger(event);
  }

  // After a refusal the images are not as the person took them to be when pressing the next keys: these are dropped.
  answered(refused) {
    clearInterval(this.again);
    const about = this.asked?.paths?.filter((path) => this.nodes.has(path));
    this.asked = null;
    if (refused) {
      this.keys = [];
      this.later = [];
      this.decided = new Set(Object.keys(this.data.decided || {}));
      this.done = new Set(this.decided);
      this.draw();
      this.markDecided();
      if (about?.length) this.choose(about);
      this.mark();
    }
    while (!this.asked && this.later.length) this.send(this.later.shift());
    this.replayKeys();
    if (refused) this.leaveBy = null; // why is to be read here
    if (this.leaveBy && !this.hasUnsaved()) {
      clearTimeout(this.refresh); // where it leads is where the person wants to be
      if (this.leaveBy.isConnected) this.leaveBy.click();
      this.leaveBy = null;
    } else if (this.decided.size) this.refreshSoon();
  }

  // Whether a decision was made, or taken back, that the journal is not known to hold.
  hasUnsaved() {
    return [this.asked, ...this.later].some((event) => ["act", "undo"].includes(event?.type)) || this.keys.length > 0;
  }

  // The images stay where they are while one decision follows another.
  refreshSoon() {
    clearTimeout(this.refresh);
    const looks = () => this.root.querySelector(".hg-menu") || (this.large?.open && !this.allDone());
    this.refresh = setTimeout(() => {
      if (!this.root.isConnected || !this.decided.size || this.asked) return; // what was asked is answered, and then it is soon again
      if (looks()) this.refreshSoon();
      else this.send({ type: "refresh", anchor: this.paths().find((path) => !this.decided.has(path)) || null });
    }, this.allDone() && !looks() ? 0 : PAUSE);
  }

  replayKeys() {
    while (!this.waits() && this.keys.length) this.replay(this.keys.shift());
  }

  // Whether keys have to wait: for an answer, or because every image here is decided and the next ones are to come.
  waits() {
    const turns = this.later.some(({ type }) => type === "page" || type === "size");
    return (this.asked && this.asked.type !== "refresh") || turns || this.allDone();
  }

  allDone() {
    return this.paths().every((path) => this.done.has(path));
  }

  // Where decided images stay in the list, the next ones are on the next page.
  goOn() {
    const { page, pages, decided } = this.data;
    if (decided || this.decided.size || !this.done.size || !this.allDone()) return;
    this.done.clear();
    if (page + 1 < pages) this.turn(page + 1);
  }

  // --- drawing -----------------------------------------------------------------------------------------------------------

  draw() {
    const { mode, size, wrap, sections, tiles } = this.data;
    const chosen = this.still ? null : Number(sessionStorage.getItem("hg-size"));
    this.root.style.setProperty("--hg-size", `${chosen || size}px`);
    this.root.className = `hg hg-${mode}${wrap ? " hg-wrap" : ""}`;
    this.root.dataset.testid = this.still ? mode : "gallery";
    this.nodes = new Map();
    this.root.replaceChildren();
    if (!this.still) this.root.append(this.toolbar(chosen || size));
    if (sections) this.root.append(...sections.map((section) => this.section(section)));
    else this.root.append(this.grid(tiles, say("images")));
  }

  toolbar(size) {
    const bar = make("div", "hg-toolbar", "", { role: "toolbar", "aria-label": say("gallery") });
    if (this.data.mode === "select" && this.data.actions.length) {
      const row = make("div", "hg-actions");
      row.append(...this.data.actions.map((action) => actionButton(action, (...clicked) => this.act(...clicked))));
      bar.append(row);
    }
    this.count = make("span", "hg-count", "", { "data-testid": "selection-count", "aria-live": "polite" });
    const left = make("span", "hg-view");
    left.append(this.count);
    if (this.data.bulk && this.data.actions.length && this.data.total > 1) left.append(this.allButton());
    if (this.data.similar) {
      left.append(button(say("similar"), "hg-quiet", () => this.similar(this.focused), { title: say("key", { key: "F" }) }));
    }
    bar.append(left, this.viewControls(size));
    return bar;
  }

  // How the images are shown, and which page of them.
  viewControls(size) {
    const view = make("span", "hg-view hg-end");
    view.append(sizeSlider(size, (chosen) => {
      sessionStorage.setItem("hg-size", chosen);
      this.root.style.setProperty("--hg-size", `${chosen}px`);
    }));
    if (this.data.sizes.length && this.data.total > this.data.sizes[0]) {
      view.append(pageSizes(this.data.page_size, this.data.sizes, (page_size) => this.send({ type: "size", page_size })));
    }
    view.append(pager(this.data, (to) => this.turn(to), () => this.focusTile(this.focused, true)));
    view.append(button("?", "hg-quiet", () => this.showKeys(), { title: say("keys"), "aria-label": say("show_keys") }));
    return view;
  }

  // Selects what the filter matches, on all pages: Python is told that, not the names.
  allButton() {
    const node = button(say("all_matching", { n: number(this.data.total) }), "hg-quiet hg-all", () => {
      this.all = !this.all;
      this.mark();
    }, { "aria-pressed": "false" });
    return node;
  }

  section(section) {
    const tiles = this.data.tiles.filter((tile) => tile.section === section.id);
    const box = make("section", tiles.length > 2 ? "hg-section hg-wide" : "hg-section", "", { "aria-label": section.title });
    box.dataset.section = section.id;
    const title = make("div", "hg-title", section.title);
    if (section.badge) title.append(make("span", "hg-chip", section.badge));
    const foot = make("div", "hg-actions");
    for (const action of this.data.actions) {
      foot.append(actionButton(action, (...clicked) => this.act(...clicked, section.id)));
    }
    if (tiles.length > 1) {
      foot.append(button(say("compare"), "hg-quiet", () => this.compare(section.id), { title: say("key", { key: "C" }) }));
    }
    const note = make("div", "hg-note");
    note.append(make("span", "hg-reason", section.note), make("span", "", section.hint));
    box.append(title, note, this.grid(tiles, section.title), foot);
    return box;
  }

  grid(tiles, label) {
    const grid = make("div", "hg-grid", "", { role: this.still ? "list" : "listbox", "aria-label": label || say("images") });
    if (!this.still) grid.setAttribute("aria-multiselectable", "true");
    for (const tile of tiles) {
      const node = tileNode(tile, this.still);
      if (!this.still) {
        node.addEventListener("click", (event) => this.click(tile.path, event));
        node.addEventListener("dblclick", () => this.open([tile.path]));
      }
      this.nodes.set(tile.path, node);
      grid.append(node);
    }
    return grid;
  }

  mark() {
    if (this.still) return;
    for (const [path, node] of this.nodes) {
      const on = this.selected.has(path);
      node.classList.toggle("hg-on", on);
      node.setAttribute("aria-selected", `${on}`);
      node.tabIndex = path === this.focused ? 0 : -1;
    }
    for (const node of this.root.querySelectorAll("[data-action]")) this.markButton(node);
    const all = this.root.querySelector(".hg-all");
    all?.setAttribute("aria-pressed", `${this.all}`);
    all?.classList.toggle("hg-pressed", this.all);
    this.root.classList.toggle("hg-whole", this.all);
    const isKeep = this.data.mode === "keep";
    const [kept, rest] = this.keptAndRest(this.data.tiles.filter(({ path }) => !isKeep || !this.done.has(path)));
    if (!isKeep) this.count.textContent = say("selected", { n: number(this.all ? this.data.total : kept.length) });
    else this.count.textContent = rest.length ? say("to_keep", { kept: number(kept.length), others: number(rest.length) }) : "";
  }

  markButton(node) {
    const { label } = this.data.actions.find((action) => action.id === node.dataset.action);
    const section = node.closest("section");
    if (!section) {
      const many = this.all ? this.data.total : this.selected.size;
      node.disabled = many === 0;
      node.textContent = many > 1 ? `${label} (${number(many)})` : label;
      return;
    }
    const { paths, others } = this.inSection(section.dataset.section);
    const suggested = this.data.tiles.filter((tile) => tile.section === section.dataset.section && tile.keep);
    const isAsSuggested = suggested.length === paths.length && suggested.every(({ path }) => paths.includes(path));
    section.querySelector(".hg-reason").classList.toggle("hg-void", !isAsSuggested); // it speaks of the suggestion
    node.textContent = label.replace("{kept}", paths.length).replace("{others}", others.length);
    node.disabled = label.includes("{others}") && others.length === 0;
  }

  inSection(id) {
    const [kept, rest] = this.keptAndRest(this.data.tiles.filter((tile) => tile.section === id));
    return { paths: kept.map((tile) => tile.path), others: rest.map((tile) => tile.path) };
  }

  // What is excluded already is neither.
  keptAndRest(tiles) {
    const kept = tiles.filter((tile) => this.selected.has(tile.path));
    return [kept, tiles.filter((tile) => !kept.includes(tile) && !tile.excluded)];
  }

  // --- selection ---------------------------------------------------------------------------------------------------------

  click(path, event) {
    this.all = false;
    const onCheck = event.target.classList.contains("hg-check");
    if (event.shiftKey && this.data.mode === "select" && this.anchor) {
      this.selectRange(this.anchor, path);
    } else {
      if (this.data.one && !onCheck && !event.ctrlKey && !event.metaKey) this.choose([path]);
      else this.pick(path);
      this.anchor = path;
    }
    this.focusTile(path);
    this.mark();
  }

  // Of a gallery whose image in focus is the selected one anyway, the first pick says that it stays selected.
  pick(path) {
    const isFirst = this.data.one && !this.picking && this.selected.size === 1 && this.selected.has(path);
    if (!isFirst) this.toggle(path);
    this.picking = this.data.mode === "select" && this.selected.size > 0;
  }

  toggle(path) {
    if (!this.selected.delete(path)) this.selected.add(path);
  }

  selectRange(from, to) {
    const paths = this.paths();
    const [low, high] = [paths.indexOf(from), paths.indexOf(to)].sort((a, b) => a - b);
    for (const path of paths.slice(Math.max(low, 0), high + 1)) this.selected.add(path);
  }

  focusTile(path, quietly = false, tell = true) {
    const changed = path !== this.focused;
    this.focused = path;
    const node = this.nodes.get(path);
    if (!node) return;
    for (const other of this.nodes.values()) other.tabIndex = -1;
    node.tabIndex = 0;
    if (!quietly) this.measureToolbar();
    node.focus({ preventScroll: quietly });
    if (this.data.one && changed && tell) this.send({ type: "look" });
  }

  // What is scrolled to stands below the toolbar, which takes one row or several.
  measureToolbar() {
    const bar = this.root.querySelector(".hg-toolbar");
    if (bar) this.root.style.setProperty("--hg-bar", `${bar.offsetHeight}px`);
  }

  // The next key is for what can be seen: the image in focus, and in a section its title and buttons too.
  reveal() {
    this.measureToolbar();
    const node = this.nodes.get(this.focused);
    (node?.closest("section") || node)?.scrollIntoView({ block: "nearest" });
    node?.scrollIntoView({ block: "nearest" });
  }

  move(step) {
    this.all = false;
    const paths = this.paths();
    const to = Math.min(Math.max(paths.indexOf(this.focused) + step, 0), paths.length - 1);
    if (this.data.one && !this.picking) this.selected = new Set([paths[to]]);
    this.focusTile(paths[to]);
    this.mark();
  }

  columns() {
    const tops = [...this.nodes.values()].map((node) => node.offsetTop);
    return Math.max(1, tops.filter((top) => top === tops[0]).length);
  }

  // --- actions -----------------------------------------------------------------------------------------------------------

  act(action, node, section = "") {
    const chosen = section ? this.inSection(section) : { paths: this.paths().filter((path) => this.selected.has(path)), others: [] };
    if (this.all) chosen.paths = this.paths();
    if (chosen.paths.length + chosen.others.length === 0 || this.isSaving(section, action, chosen)) return;
    const commit = (value) => this.commit(action, chosen, section, value);
    const asks = action.ask && chosen.paths.length > 0; // else no image is left to have a label
    const { choose = [], question } = (asks && this.data.sections.find(({ id }) => id === section)) || {};
    const labels = new Set(chosen.paths.map((path) => this.tile(path).label));
    const names = choose.length ? firstOf(choose, (name) => labels.has(name)) : inOrder(action, labels);
    if (!names.length && !action.free) return commit("");
    this.large?.close(); // nothing behind it can be typed into
    nameMenu({ label: question || action.label, placeholder: question, choose: names, free: action.free }, node, (name) => {
      this.focusTile(this.focused, true);
      commit(name);
    }, () => this.focusTile(this.focused, true));
  }

  // Whether this is a second click on a button of a section, before the list without it has come.
  isSaving(section, action, { paths, others }) {
    if (!section) return false;
    const said = JSON.stringify([action.id, paths, others]);
    const again = this.said.get(section) === said && [...paths, ...others].every((path) => this.decided.has(path));
    this.said.set(section, said);
    return again || [this.asked, ...this.later].some((event) => event?.section === section);
  }

  commit(action, chosen, section, value) {
    const about = section ? [...chosen.paths, ...chosen.others] : chosen.paths;
    this.markSaving(about);
    const all = this.all && !section;
    if (!section) {
      if (!all) this.focused = this.after(chosen.paths);
      this.selected = new Set(this.data.one ? [this.focused] : []);
      this.all = this.picking = false;
    } else {
      this.focused = this.afterSection(section);
    }
    clearTimeout(this.refresh);
    document.querySelector(".hai-toast")?.remove(); // its Undo was for the decision before
    if (section) this.large?.close();
    else this.follow();
    this.focusTile(this.focused, true, false);
    this.reveal();
    this.mark();
    this.send({ type: "act", action: action.id, section, value, all, ...(all ? { paths: [], others: [] } : chosen) });
  }

  // The first image of the section that follows, where the person goes on.
  afterSection(section) {
    const ids = this.data.sections.map(({ id }) => id);
    const next = ids[ids.indexOf(section) + 1];
    return this.data.tiles.find((tile) => tile.section === next)?.path || this.focused;
  }

  // The next image that is not decided yet, after the last of `chosen` or else before it.
  after(chosen) {
    const paths = this.paths();
    const last = Math.max(...chosen.map((path) => paths.indexOf(path)));
    const open = (path) => !this.done.has(path);
    return paths.slice(last + 1).find(open) || paths.slice(0, last).reverse().find(open) || paths[Math.min(last + 1, paths.length - 1)];
  }

  // --- keys --------------------------------------------------------------------------------------------------------------

  keydown(event) {
    const { target } = event;
    if (this.still || target.matches("input[type=text], select")) return;
    if (event.key === "Escape" && this.selected.size === 0 && this.root.closest("[role=dialog]")) return; // it closes that
    event.stopPropagation(); // Streamlit's own keys (R, C, Esc) are not meant here
    if (target.matches("input") && (event.key.startsWith("Arrow") || event.key === "Home" || event.key === "End")) return;
    if (event.repeat && letterOf(event).length === 1) return event.preventDefault(); // held down, it would decide image after image
    if (!this.waits()) return this.press(event);
    const presses = event.target.closest("button") && (event.key === "Enter" || event.key === " ");
    const isOurs = isSelectAll(event) || (isPlain(event) && (letterOf(event).length === 1 || NAMED_KEYS.includes(event.key)));
    if (presses || !isOurs) return;
    event.preventDefault();
    this.keys.push(event);
  }

  press(event) {
    if (isSelectAll(event)) {
      event.preventDefault();
      if (this.data.mode === "select") this.paths().forEach((path) => this.selected.add(path));
      this.mark();
    } else if (isPlain(event) && this.key(event)) {
      event.preventDefault();
    }
  }

  // A key that waited: for the menu of names, if one that waited before it has opened it.
  replay(event) {
    const input = this.root.querySelector(".hg-input");
    if (!input) return this.press(event);
    if (event.key.length === 1) input.value += event.key;
    else if (event.key === "Backspace") input.value = input.value.slice(0, -1);
    else return input.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
    input.dispatchEvent(new Event("input"));
  }

  // What a plain key does; whether it did something.
  key(event) {
    const onButton = event.target.closest("button");
    const onTile = !onButton || (this.large?.open && event.key.startsWith("Arrow"));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns(), ArrowDown: this.columns() };
    const turns = { PageDown: this.data.page + 1, PageUp: this.data.page - 1 };
    if (steps[event.key] && onTile) this.step(steps[event.key], event.shiftKey);
    else if (event.key === " " && onTile) this.click(this.focused, { ctrlKey: true, target: this.nodes.get(this.focused) });
    else if (event.key === "Enter" && onTile) this.large?.open ? this.large.close() : this.open([this.focused]);
    else if (event.key === "Escape" && this.large?.open) this.large.close(); // the browser's own closing waits for no answer
    else if (event.key === "Escape" && this.data.mode === "select") this.clear();
    else if (event.key === "?") this.showKeys();
    else if (letterOf(event) === "z") this.send({ type: "undo" });
    else if (this.data.mode === "keep" && /^[1-9]$/.test(event.key)) this.keepOnly(Number(event.key) - 1);
    else if (this.data.mode === "keep" && letterOf(event) === "c") this.compare(this.tile(this.focused).section);
    else if (this.data.similar && letterOf(event) === "f" && !event.repeat) this.similar(this.focused);
    else if (turns[event.key] >= 0 && turns[event.key] < this.data.pages) this.turn(turns[event.key]);
    else return this.actionKey(this.actionFor(event));
    return true;
  }

  actionFor(event) {
    return isPlain(event) && this.data.actions.find((action) => action.key === letterOf(event));
  }

  actionKey(action) {
    if (!action) return false;
    if (this.data.mode === "select" && this.selected.size === 0) this.choose([this.focused]);
    this.mark();
    const place = this.data.mode === "keep" ? this.nodes.get(this.focused).closest("section") : this.root;
    place.querySelector(`[data-action="${action.id}"]`).click();
    return true;
  }

  step(step, range) {
    if (!range || !this.paths().includes(this.anchor)) this.anchor = this.focused;
    this.move(step);
    if (!range) {
      this.anchor = this.focused;
    } else if (this.data.mode === "select") {
      this.selected = new Set();
      this.selectRange(this.anchor, this.focused);
    }
    this.mark();
    if (this.large?.open) this.open([this.focused]);
  }

  // In the focused image's section, keep the image at this place and no other.
  keepOnly(at) {
    const { section } = this.tile(this.focused);
    const own = this.data.tiles.filter((tile) => tile.section === section).map((tile) => tile.path);
    if (at >= own.length) return;
    for (const path of own) this.selected.delete(path);
    this.selected.add(own[at]);
    this.focusTile(own[at]);
    this.mark();
  }

  clear() {
    this.all = this.picking = false;
    this.selected = new Set();
    this.mark();
  }

  // --- large view and help -----------------------------------------------------------------------------------------------

  open(paths) {
    this.all = false;
    if (!this.large?.open) this.before = this.selected; // keys are for what is shown; afterwards for these again
    if (this.data.mode === "select") this.selected = new Set(paths.slice(0, 1));
    if (!paths.includes(this.focused)) [this.focused] = paths;
    this.mark();
    this.large ??= new Large(this, this.parent);
    this.large.show(paths);
    this.send({ type: "look" });
  }

  // The large view shows the image that the next key is for; of two that were compared, there is no next. Whether it has changed.
  follow() {
    const { large } = this;
    if (large?.open && this.data.mode === "select") {
      this.selected = new Set([this.focused]); // also where several came back
      this.mark();
    }
    if (!large?.open || large.paths.includes(this.focused)) return false;
    if (large.paths.length > 1 || !this.tile(this.focused)) large.close();
    else large.show([this.focused]);
    return large.open;
  }

  closed() {
    this.send({ type: "look" });
    if (this.data.mode === "select") {
      const left = [...this.before].filter((path) => this.nodes.has(path) && !this.done.has(path));
      this.selected = new Set(this.data.one && left.length < 2 ? [this.focused] : left);
      this.mark();
    }
    if (!this.root.querySelector(".hg-menu")) this.focusTile(this.focused, true);
  }

  // In a section: the image to keep, and the one in focus or the next one.
  compare(section) {
    const own = this.data.tiles.filter((tile) => tile.section === section).map((tile) => tile.path);
    const kept = own.find((path) => this.selected.has(path)) || own[0];
    const other = own.includes(this.focused) && this.focused !== kept ? this.focused : own.find((path) => path !== kept);
    if (other) this.open([kept, other]);
  }

  similar(path) {
    this.large?.close();
    this.send({ type: "similar", path });
  }

  showKeys() {
    const dialog = make("dialog", "hg hg-dialog hg-keys", "", { "aria-label": say("keys") });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.append(keyTable(this.data.actions, this.data.mode === "keep", this.data.similar),
      button(say("close"), "", () => dialog.close()));
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.addEventListener("close", () => {
      dialog.remove();
      this.focusTile(this.focused, true);
    });
    this.parent.appendChild(dialog);
    dialog.showModal();
  }
}

// What of the data is drawn, to tell whether it has changed.
function drawn({ mode, one, size, wrap, tiles, page, pages, total, sections, actions, bulk, page_size, words }) {
  return JSON.stringify([mode, one, size, wrap, tiles, page, pages, total, sections, actions, bulk, page_size, words]);
}

function firstOf(names, isFirst) {
  return [...names.filter(isFirst), ...names.filter((name) => !isFirst(name))];
}

// The names of an action: those chosen lately, those of the series that `labels` belong to, the others.
function inOrder({ choose, recent, series }, labels) {
  const near = new Set([...labels].map((label) => series[label]).filter(Boolean));
  return [...choose.slice(0, recent), ...firstOf(choose.slice(recent), (name) => near.has(series[name]))];
}

// Nothing but what is looked at: an event that a later one of its kind replaces.
function isLook(event) {
  return event.type === "look";
}

function isPlain(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey;
}

function isSelectAll(event) {
  return (event.ctrlKey || event.metaKey) && letterOf(event) === "a";
}

// The letter that a key stands for, in whatever case and layout: on a Hangul keyboard the K gives "ㅏ" (or "Process", while an
// input method holds it). Other keys give their name.
function letterOf(event) {
  const isForeign = event.key > "~" || event.key === "Process";
  const [, letter] = (isForeign && /^Key([A-Z])$/.exec(event.code)) || [null, event.key];
  return letter.toLowerCase();
}
