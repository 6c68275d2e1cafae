// What was just done, for some seconds, with a way to take it back. Browser side of pages/ui/toast.py.

const SECONDS = 7;
let shown = 0; // the number of the newest notice: a page that is drawn again does not show it again

export default function ({ data, parentElement, setTriggerValue }) {
  if (!data.number || data.number <= shown) return;
  shown = data.number;
  const node = document.createElement("div");
  node.className = "hai-toast";
  node.setAttribute("role", "status");
  node.dataset.testid = "notice";
  node.append(Object.assign(document.createElement("span"), { textContent: data.text }));
  if (data.batch) {
    const undo = Object.assign(document.createElement("button"), { type: "button", textContent: data.undo });
    undo.addEventListener("click", () => {
      node.remove();
      setTriggerValue("undo", data.batch);
    });
    node.append(undo);
  }
  parentElement.querySelector(".hai-toast")?.remove();
  parentElement.append(node);
  setTimeout(() => node.remove(), SECONDS * 1000);
}
