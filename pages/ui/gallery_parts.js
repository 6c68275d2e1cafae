// What a gallery is drawn from: functions that make nodes and know nothing of selection. Names are always set as text.

function button(label, name, act, attributes = {}) {
  const node = make("button", `hg-button ${name}`, label, { type: "button", ...attributes });
  node.addEventListener("click", act);
  return node;
}

function actionButton(action, act) {
  const key = action.key ? say("key", { key: action.key.toUpperCase() }) : "";
  const node = button(action.label, action.primary ? "hg-primary" : "", () => act(action, node), {
    title: [action.help, key].filter(Boolean).join(" · "),
  });
  node.dataset.action = action.id;
  return node;
}

function sizeSlider(size, set) {
  const input = make("input", "hg-slider", "", {
    type: "range", min: 80, max: 320, step: 10, title: say("size"), "aria-label": say("size"),
  });
  input.value = size;
  input.addEventListener("input", () => set(input.value));
  return input;
}

// Arrows, and between them the page, of which another can be typed.
function pager({ page, pages, first, total, sections, tiles }, turn, leave) {
  const arrow = (sign, to, name, testid) => {
    const node = button(sign, "hg-quiet", () => turn(to), { "data-testid": testid, title: name, "aria-label": name });
    node.disabled = to < 0 || to >= pages;
    return node;
  };
  const last = first + (sections || tiles).length;
  const node = make("span", "hg-pager");
  const input = make("input", "hg-page", "", { type: "text", inputmode: "numeric", "aria-label": say("page"), title: say("page") });
  input.value = page + 1;
  input.size = `${pages}`.length;
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", () => input.dispatchEvent(new Event("hg-closed", { bubbles: true })));
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Escape") input.value = page + 1;
    if (event.key !== "Enter") return;
    leave(); // the next keys are for the images
    const to = Math.min(Math.max(Math.round(Number(input.value)) || page + 1, 1), pages) - 1;
    if (to === page) input.value = page + 1;
    else turn(to);
  });
  const range = (from, to) => say("range", { first: number(from), last: number(to), total: number(total) });
  const place = make("span", "hg-range", range(first + 1, last));
  place.style.minWidth = `${range(total, total).length}ch`; // as wide on every page
  node.append(place);
  if (pages === 1) return node;
  node.append(arrow("‹", page - 1, say("previous_page"), "previous-page"), input, make("span", "hg-range", `/ ${number(pages)}`),
    arrow("›", page + 1, say("next_page"), "next-page"));
  return node;
}

// How many tiles a page has.
function pageSizes(size, sizes, set) {
  const node = make("select", "hg-select-size", "", { "aria-label": say("page_size"), title: say("page_size") });
  for (const each of sizes) {
    const option = make("option", "", number(each), { value: each });
    option.selected = each === size;
    node.append(option);
  }
  node.addEventListener("change", () => set(Number(node.value)));
  return node;
}

function tileNode(tile, still) {
  const node = make("div", "hg-tile", "", {
    "data-testid": still ? "example" : "tile", role: still ? "listitem" : "option", tabindex: "-1", title: tile.path,
  });
  node.dataset.path = tile.path;
  const frame = make("div", "hg-frame");
  if (tile.src || tile.sha256) {
    const image = make("img", "", "", { alt: "", draggable: "false", "data-sha256": tile.sha256 });
    const src = tile.src || thumbnails.get(tile.sha256);
    if (src) image.src = src;
    frame.append(image);
  } else frame.append(make("span", "hg-missing", say("no_thumbnail")));
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
    type: "text", placeholder: action.placeholder || (action.free ? say("find_or_type") : say("find_class")), "aria-label": action.label,
  });
  const list = make("div", "hg-list", "", { role: "listbox", "aria-label": say("names") });
  let names = [];
  let at = 0;
  const close = () => {
    input.removeEventListener("blur", close); // taking the menu out of the page blurs its input
    menu.remove();
    anchor.dispatchEvent(new Event("hg-closed", { bubbles: true }));
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
    if (!names.length) list.append(make("div", "hg-none", say("no_such_class")));
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
  list.scrollIntoView({ block: "nearest" });
}

function keyTable(actions, keep, similar) {
  const table = make("dl", "");
  const meaning = ({ label }) => label.replace("{kept}", say("the_marked")).replace("{others}", say("the_others"));
  const lines = actions.filter((action) => action.key).map((action) => [action.key.toUpperCase(), meaning(action)]);
  if (keep) lines.push(["1 … 9", say("key_mark_only")], ["C", say("key_compare")]);
  if (similar) lines.push(["F", say("similar")]);
  lines.push(["←↑→↓", say("key_move")], ["Space", keep ? say("key_mark") : say("key_select")], ["Enter", say("key_large")]);
  if (!keep) lines.push(["Ctrl A", say("key_all")], ["Shift", say("key_range")], ["Esc", say("key_none")]);
  lines.push(["PgDn PgUp", say("key_pages")], ["Z", say("key_undo")]);
  for (const [key, meaning] of lines) table.append(make("dt", "", key), make("dd", "", meaning));
  return table;
}
