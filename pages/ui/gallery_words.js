// What the gallery says, from the catalogue of the chosen language (section `gallery`). First in one module with gallery.js.

const words = {};

function say(key, gaps = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => gaps[name]);
}

function number(n) {
  return n.toLocaleString("en");
}
