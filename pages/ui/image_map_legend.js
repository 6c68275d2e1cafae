// The legend of a map: its names with their counts, searchable; a name is highlighted, or its images are selected. Names are
// always set as text. Comes before image_map.js, in one module with it.

const LISTED = 400; // names in the list at a time; the search finds the others

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (gap, name) => (name in values ? values[name] : gap));
}

const number = (n) => n.toLocaleString("en");

class Legend {
  // `does`: highlight(code), select(code, add).
  constructor(does) {
    this.does = does;
    this.root = make("div", "hm-legend");
    this.search = make("input", "hm-search", "", { type: "search", "data-testid": "legend-search" });
    this.list = make("ul", "hm-list", "", { "data-testid": "legend" });
    this.note = make("div", "hm-note");
    this.root.append(this.search, this.list, this.note);
    this.search.addEventListener("input", () => this.draw());
    this.root.addEventListener("keydown", (event) => this.keydown(event));
    this.at = 0; // place in the list that Tab reaches
  }

  // `entries`: { code, name, colour, count, selected (how many of them), on (highlighted) }, in the order to be shown.
  show(entries, words) {
    this.entries = entries;
    this.words = words;
    this.search.placeholder = words.search;
    this.search.setAttribute("aria-label", words.search);
    this.list.setAttribute("aria-label", words.legend);
    this.search.hidden = entries.length < 8;
    this.draw();
  }

  draw() {
    const focus = this.list.contains(document.activeElement) ? document.activeElement.dataset : null;
    const typed = this.search.value.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.entries.filter(({ name }) => typed.every((word) => name.toLowerCase().includes(word)));
    const listed = found.slice(0, LISTED);
    this.at = Math.max(0, Math.min(this.at, listed.length - 1));
    this.list.replaceChildren(...listed.map((entry, place) => this.row(entry, place)));
    const more = found.length - listed.length;
    this.note.textContent = more ? fill(this.words.more, { n: number(more) }) : found.length ? "" : this.words.none;
    if (focus) this.list.querySelector(`[data-code="${focus.code}"][data-does="${focus.does}"]`)?.focus();
  }

  row(entry, place) {
    const look = `${entry.on ? " hm-on" : ""}${entry.selected === 0 ? " hm-out" : ""}`;
    const row = make("li", `hm-entry${look}`, "", { "data-testid": "legend-entry" });
    row.dataset.name = entry.name;
    const name = make("button", "hm-name", "", {
      type: "button", "aria-pressed": `${entry.on}`, title: `${entry.name}\n${this.words.highlight}`,
    });
    const swatch = make("span", "hm-swatch");
    swatch.style.background = entry.colour;
    const counted = entry.selected === null ? number(entry.count) : `${number(entry.selected)} / ${number(entry.count)}`;
    name.append(swatch, make("span", "hm-words", entry.name), make("span", "hm-count", counted));
    name.addEventListener("click", () => this.does.highlight(entry.code));
    const select = make("button", "hm-select", this.words.select, {
      type: "button", "aria-label": fill(this.words.select_all, { name: entry.name }), title: this.words.select_help,
    });
    select.addEventListener("click", (event) => this.does.select(entry.code, event.ctrlKey || event.metaKey));
    for (const [node, does] of [[name, "highlight"], [select, "select"]]) {
      node.tabIndex = place === this.at ? 0 : -1;
      node.dataset.code = entry.code;
      node.dataset.does = does;
      node.addEventListener("focus", () => this.reach(place));
    }
    row.append(name, select);
    return row;
  }

  reach(place) {
    for (const node of this.list.children[this.at]?.children ?? []) node.tabIndex = -1;
    for (const node of this.list.children[place].children) node.tabIndex = 0;
    this.at = place;
  }

  keydown(event) {
    event.stopPropagation(); // Streamlit's own keys and the gallery's are not meant here
    const inSearch = event.target === this.search;
    const column = !inSearch && event.target.dataset.does === "select" ? 1 : 0;
    const to = { ArrowDown: inSearch ? 0 : this.at + 1, ArrowUp: this.at - 1, Home: inSearch ? null : 0,
      End: inSearch ? null : this.list.children.length - 1 }[event.key];
    if (event.key === "Enter" && inSearch) this.list.children[0]?.children[1].click();
    else if (event.key === "Escape" && inSearch) this.clear();
    else if (event.key === "ArrowRight" && !inSearch) event.target.parentElement.children[1].focus();
    else if (event.key === "ArrowLeft" && !inSearch) event.target.parentElement.children[0].focus();
    else if (to !== undefined && to !== null && (to >= 0 || !inSearch)) {
      if (to < 0) this.search.focus();
      else this.list.children[Math.min(to, this.list.children.length - 1)]?.children[column].focus();
    } else return;
    event.preventDefault();
  }

  clear() {
    this.search.value = "";
    this.draw();
  }
}
