// Thumbnails travel once: Python sends those that this browser tab does not have yet, also of the pages before and after, and
// remembers which it sent. Both sides forget the oldest beyond the same number (gallery.py: KEPT).

const KEPT = 2_000;
const AFTERWARDS = 250; // milliseconds in which the images that are looked at are painted first
const PATIENCE_FOR_THUMBNAILS = 1_500; // milliseconds after which one that should be here is asked for again

const thumbnails = new Map(); // content hash -> data URI, the oldest first
const ahead = new Map(); // gallery's key -> the pages before and after the one shown: {page, first, tiles, sections}

function keepThumbnails(sent) {
  for (const [sha256, uri] of Object.entries(sent)) thumbnails.set(sha256, uri);
  for (const image of document.querySelectorAll("img[data-sha256]:not([src])")) {
    const uri = sent[image.dataset.sha256];
    if (uri) image.src = uri;
  }
  for (const oldest of thumbnails.keys()) {
    if (thumbnails.size <= KEPT) break;
    thumbnails.delete(oldest);
  }
}

function decodeAhead(sent) {
  setTimeout(() => {
    for (const uri of Object.values(sent)) {
      const image = new Image();
      image.src = uri;
      image.decode().catch(() => {}); // only to have it ready: what cannot be decoded shows so where it is drawn
    }
  }, AFTERWARDS);
}

function missingThumbnails(tiles) {
  return tiles.map((tile) => tile.sha256).filter((sha256) => sha256 && !thumbnails.has(sha256));
}
