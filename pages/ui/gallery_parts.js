// What a gallery is drawn from: functions that make nodes and know nothing of selection. Names are always set as text.
// Comes before gallery.js, in one module with it.

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

function actionButton(action, act) {
  const key = action.key ? `key ${action.key.toUpperCase()}` : "";
  const node = button(action.label, action.primary ? "hg-primary" : "", () => act(action, node), {
    title: [action.help, key].filter(Boolean).join(" · "),
  });
  node.dataset.action = action.id;
  return node;
}

function sizeSlider(size, set) {
  const input = make("input", "hg-slider", "", {
    type: "range", min: 80, max: 320, step: 10, title: "Size", "aria-label": "Size of the images",
  });
  input.value = size;
  input.addEventListener("input", () => set(input.value));
  return input;
}

function pager({ page, pages, first, total, sections, tiles }, turn) {
  const arrow = (sign, to, name, testid) => {
    const node = button(sign, "hg-quiet", () => turn(to), { "data-testid": testid, title: name, "aria-label": name });
    node.disabled = to < 0 || to >= pages;
    return node;
  };
  const number = (n) => n.toLocaleString("en");
  const last = first + (sections || tiles).length;
  const node = make("span", "hg-pager");
  node.append(
    arrow("‹", page - 1, "Previous page", "previous-page"),
    make("span", "hg-range", `${number(first + 1)}–${number(last)} of ${number(total)}`),
    arrow("›", page + 1, "Next page", "next-page"),
  );
  return node;
}

function tileNode(tile, still) {
  const node = make("div", "hg-tile", "", {
    "data-testid": still ? "example" : "tile", role: still ? "listitem" : "option", tabindex: "-1", title: tile.path,
  });
  node.dataset.path = tile.path;
  const frame = make("div", "hg-frame");
  if (tile.src) frame.append(make("img", "", "", { src: tile.src, alt: tile.path, draggable: "false" }));
  else frame.append(make("span", "hg-missing", "no thumbnail"));
  const badge = make("span", `hg-badge hg-${tile.tone || "plain"}`, tile.badge, { "data-testid": "badge" });
  badge.hidden = !tile.badge;
  frame.append(badge);
  if (!still) frame.append(make("span", "hg-check", "✓", { "aria-hidden": "true" }));
  const caption = make("div", "hg-caption");
  for (const line of (tile.caption || "").split("\n")) if (line) caption.append(make("div", "hg-line", line));
  node.append(frame, caption);
  return node;
}

// A searchable list of names below `anchor`; `done(name)` with what was picked, `left()` when nothing was.
function nameMenu(action, anchor, done, left) {
  const menu = make("div", "hg-menu", "", { role: "dialog", "aria-label": action.label });
  const input = make("input", "hg-input", "", {
    type: "text", placeholder: action.free ? "Find or type a name" : "Find a class", "aria-label": action.label,
  });
  const list = make("div", "hg-list", "", { role: "listbox", "aria-label": "Names" });
  let names = [];
  let at = 0;
  const close = () => {
    input.removeEventListener("blur", close); // taking the menu out of the page blurs its input
    menu.remove();
  };
  const pick = (name) => {
    close();
    done(name);
  };
  const row = (name, index) => {
    const node = make("div", index === at ? "hg-row hg-at" : "hg-row", name, { role: "option", "aria-selected": `${index === at}` });
    node.addEventListener("mousedown", (event) => {
      event.preventDefault();
      pick(name);
    });
    return node;
  };
  const fill = () => {
    const typed = input.value.normalize("NFC").trim();
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
    names = action.choose.filter((name) => words.every((word) => name.toLowerCase().includes(word))).slice(0, 60);
    if (action.free && typed && !names.includes(typed)) names.push(typed);
    at = Math.max(0, Math.min(at, names.length - 1));
    list.replaceChildren(...names.map(row));
    if (!names.length) list.append(make("div", "hg-none", "no class has this name"));
    list.children[at].scrollIntoView({ block: "nearest" });
  };
  input.addEventListener("input", () => {
    at = 0;
    fill();
  });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter" && names.length) return pick(names[at]);
    if (event.key === "Escape") {
      close();
      return left();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    at += event.key === "ArrowDown" ? 1 : -1;
    fill();
  });
  input.addEventListener("blur", close);
  menu.append(input, list);
  anchor.after(menu);
  fill();
  input.focus();
}

function keyTable(actions, keep) {
  const table = make("dl", "");
  const meaning = ({ label }) => label.replace("{kept}", "the marked images").replace("{others}", "the others of the group");
  const lines = actions.filter((action) => action.key).map((action) => [action.key.toUpperCase(), meaning(action)]);
  if (keep) lines.push(["1 … 9", "mark only the first … ninth image of the group, to keep it instead"]);
  lines.push(["←↑→↓", "move"], ["Space", keep ? "mark, or take the mark away" : "select"], ["Enter", "large view"]);
  if (!keep) lines.push(["Ctrl A", "select the page"], ["Shift", "with a click or an arrow: a range"], ["Esc", "select nothing"]);
  lines.push(["PgDn PgUp", "next, previous page"], ["Z", "undo the last decisions"]);
  for (const [key, meaning] of lines) table.append(make("dt", "", key), make("dd", "", meaning));
  return table;
}
