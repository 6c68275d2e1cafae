// The large view: one image with zoom and pan, or two of a group compared by a slider or by blinking.

const ZOOM = 1.25; // of one step of the wheel or of the keys + and -
const MOST_ZOOM = 12;
const SLIDE = 5; // percent that an arrow key moves the divider
const BLINK = 600; // milliseconds that each of two images is shown

class Large {
  // `view`: the gallery that opened it; `parent`: where the dialog is put, not inside the gallery, which is drawn anew.
  constructor(view, parent) {
    this.view = view;
    this.node = make("dialog", "hg hg-dialog", "", { "aria-label": say("large_view"), tabindex: "-1" });
    this.node.addEventListener("click", (event) => event.target === this.node && this.node.close());
    this.node.addEventListener("keydown", (event) => this.keydown(event));
    this.node.addEventListener("close", () => {
      clearInterval(this.blinking);
      this.paths = null;
      view.closed();
    });
    parent.appendChild(this.node);
  }

  get open() {
    return this.node.open;
  }

  close() {
    this.node.close();
  }

  // One path, or two to compare. Thumbnails at once; `fill` puts the images in their place when they have come.
  show(paths) {
    clearInterval(this.blinking);
    this.paths = paths;
    this.node.dataset.path = paths[0];
    this.zoom = 1;
    this.at = [0, 0];
    this.stage = make("div", "hg-stage");
    this.images = paths.map((path) => {
      const tile = this.view.tile(path);
      const image = make("img", "hg-large", "", { alt: path, draggable: "false" });
      const src = tile && thumbnails.get(tile.sha256);
      if (src) image.src = src;
      return image;
    });
    this.layers = this.images.map((image) => {
      const layer = make("div", "hg-layer");
      layer.append(image);
      return layer;
    });
    this.box = make("div", "hg-fit");
    this.box.append(...this.layers);
    this.stage.append(this.box);
    this.foot = make("div", "hg-foot");
    this.foot.append(...(paths.length === 2 ? this.comparison() : this.caption()));
    this.foot.append(button(say("close"), "", () => this.close()));
    this.node.replaceChildren(this.stage, this.foot);
    this.listen();
    if (!this.node.open) this.node.showModal();
    this.node.focus(); // what had it may be gone, and keys would go nowhere
  }

  caption() {
    const [path] = this.paths;
    const { badge, caption } = this.view.tile(path) || {};
    this.note = make("span", "hg-note", [badge, ...(caption || "").split("\n")].filter(Boolean).join(" · "));
    const keys = this.view.data.actions.map((action) => action.key.toUpperCase()).filter(Boolean).join(" ");
    return [make("span", "hg-path", path), this.note,
      make("span", "hg-note hg-hint", [say("large_hint", { keys }), say("zoom_hint")].join(" · "))];
  }

  // `large`: list of {path, src, problem, flip} as Python read them.
  fill(large) {
    if (!this.open) return;
    for (const { path, src, problem, flip } of large) {
      const image = this.images[this.paths.indexOf(path)];
      if (!image) continue;
      if (src) image.src = src;
      image.classList.toggle("hg-flipped", Boolean(flip));
      if (problem && this.note) this.note.textContent = problem;
    }
  }

  // --- comparing ---------------------------------------------------------------------------------------------------------

  // Both are laid over each other at the first one's size, the second mirrored back where it is a mirror image.
  comparison() {
    this.stage.classList.add("hg-compare");
    const [first] = this.images;
    first.addEventListener("load", () => {
      this.box.style.setProperty("--hg-ratio", first.naturalWidth / first.naturalHeight);
    });
    const slider = make("input", "hg-divider", "", {
      type: "range", min: 0, max: 100, value: 50, "aria-label": say("divider"),
    });
    const names = this.paths.map((path, at) => {
      const tile = this.view.tile(path);
      const name = make("div", `hg-side hg-side-${at}`, path);
      for (const line of [tile?.badge, ...(tile?.caption || "").split("\n")]) if (line) name.append(make("div", "hg-note", line));
      return name;
    });
    const divide = () => {
      clearInterval(this.blinking);
      this.layers[1].style.clipPath = `inset(0 0 0 ${slider.value}%)`;
      this.box.style.setProperty("--hg-divide", `${slider.value}%`);
      this.stage.classList.remove("hg-blinking");
    };
    slider.addEventListener("input", divide);
    this.slider = slider;
    this.blink = () => {
      clearInterval(this.blinking);
      this.stage.classList.add("hg-blinking");
      let second = false;
      const turn = () => {
        second = !second;
        this.layers[1].style.clipPath = second ? "none" : "inset(0 0 0 100%)";
        names.forEach((name, at) => name.classList.toggle("hg-shown", at === Number(second)));
      };
      turn();
      this.blinking = setInterval(turn, BLINK);
    };
    this.divide = divide;
    divide();
    return [...names, slider, button(say("blink"), "", () => this.toggleBlink(), { title: say("key", { key: "B" }) })];
  }

  toggleBlink() {
    if (this.stage.classList.contains("hg-blinking")) this.divide();
    else this.blink();
  }

  // --- zoom and pan ------------------------------------------------------------------------------------------------------

  listen() {
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? ZOOM : 1 / ZOOM, event);
    }, { passive: false });
    this.stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.zoom === 1) return;
      this.stage.setPointerCapture(event.pointerId);
      const [x, y] = [event.clientX - this.at[0], event.clientY - this.at[1]];
      this.stage.onpointermove = (move) => this.place([move.clientX - x, move.clientY - y]);
      this.stage.onpointerup = () => (this.stage.onpointermove = null);
    });
    this.stage.addEventListener("dblclick", (event) => (this.zoom === 1 ? this.zoomBy(3, event) : this.zoomBy(1 / this.zoom, event)));
  }

  // What is below the pointer stays there.
  zoomBy(factor, { clientX, clientY } = {}) {
    const box = this.stage.getBoundingClientRect();
    const middle = [box.left + box.width / 2, box.top + box.height / 2];
    const pointer = [(clientX ?? middle[0]) - middle[0], (clientY ?? middle[1]) - middle[1]];
    const zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    const at = this.at.map((place, axis) => pointer[axis] - ((pointer[axis] - place) * zoom) / this.zoom);
    this.zoom = zoom;
    this.place(zoom === 1 ? [0, 0] : at);
  }

  place(at) {
    this.at = at;
    for (const image of this.images) {
      image.style.setProperty("--hg-move", `translate(${at[0]}px, ${at[1]}px) scale(${this.zoom})`);
    }
    this.stage.classList.toggle("hg-zoomed", this.zoom > 1);
  }

  // --- keys --------------------------------------------------------------------------------------------------------------

  // Zoom, blink and close are its own; the rest (moving on, deciding) is the gallery's, about the image shown.
  keydown(event) {
    if (event.target.matches(".hg-divider") && event.key.startsWith("Arrow")) return event.stopPropagation();
    const slide = (step) => {
      this.slider.value = Number(this.slider.value) + step;
      this.divide();
    };
    const own = {
      "+": () => this.zoomBy(ZOOM), "=": () => this.zoomBy(ZOOM), "-": () => this.zoomBy(1 / ZOOM), 0: () => this.zoomBy(1 / this.zoom),
    };
    if (this.paths.length === 2) {
      Object.assign(own, { b: () => this.toggleBlink(), arrowleft: () => slide(-SLIDE), arrowright: () => slide(SLIDE) });
    }
    const act = isPlain(event) && own[letterOf(event)];
    if (act) {
      event.preventDefault();
      event.stopPropagation();
      return act();
    }
    this.view.keydown(event);
  }
}
