// What was just done, for some seconds, with a way to take it back. Browser side of pages/ui/toast.py.

const SECONDS = 7;
const AGAIN = 4_000; // milliseconds after which an Undo without an answer is asked for again: Streamlit can drop one
let shown = 0; // the number of the newest notice: a page that is drawn again does not show it again

export default function ({ data, parentElement, setTriggerValue }) {
  if (!data.number || data.number <= shown) return;
  shown = data.number;
  const node = document.createElement("div");
  node.className = "hai-toast";
  node.setAttribute("role", "status");
  node.dataset.testid = "notice";
  let gone;
  const goLater = () => {
    clearTimeout(gone);
    gone = setTimeout(() => node.remove(), SECONDS * 1000);
  };
  node.append(Object.assign(document.createElement("span"), { textContent: data.text }));
  if (data.batch) {
    const undo = Object.assign(document.createElement("button"), { type: "button", textContent: data.undo });
    const ask = () => node.isConnected && setTriggerValue("undo", data.batch);
    undo.addEventListener("click", () => {
      undo.disabled = true; // until the next notice, which says that it is done
      ask();
      setTimeout(ask, AGAIN);
      goLater();
    });
    node.append(undo);
  }
  parentElement.querySelector(".hai-toast")?.remove();
  parentElement.append(node);
  goLater();
}
