// Three conveniences on top of pages that work without them: copying commands, live logs, and fresh states.
"use strict";
(() => {
  const KEEP = 1 << 20; // characters of a live log that stay in the page

  function addCopyButtons() {
    if (!navigator.clipboard) return;
    for (const box of document.querySelectorAll(".code")) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(box.querySelector("pre").textContent.trim() + "\n");
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      box.prepend(button);
    }
  }

  function followLog(details) {
    if (details.dataset.followed) return;
    details.dataset.followed = "1";
    const pre = details.querySelector("pre.log");
    const status = details.querySelector("[role=status]");
    const source = new EventSource(details.dataset.log);
    const clear = (text) => { pre.textContent = ""; status.textContent = text; };
    source.onmessage = (event) => {
      const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
      pre.append(event.data);
      for (let size = pre.textContent.length; size > KEEP && pre.firstChild !== pre.lastChild;) {
        size -= pre.firstChild.length;
        pre.firstChild.remove();
      }
      if (atEnd) pre.scrollTop = pre.scrollHeight;
    };
    source.onopen = () => { status.textContent = "Connected."; };
    source.onerror = () => { status.textContent = "Connection lost, trying again …"; };
    source.addEventListener("phase", (event) => { status.textContent = event.data; });
    source.addEventListener("skipped", (event) => clear("Showing the end; " + event.data + " earlier bytes are in the stored log."));
    source.addEventListener("restart", (event) => clear("Attempt " + event.data + " begins."));
    source.addEventListener("end", (event) => {
      source.close();
      status.textContent = "Ended: " + event.data + ".";
    });
  }

  function followLogs() {
    for (const details of document.querySelectorAll("details[data-log]")) {
      if (details.open) followLog(details);
      details.addEventListener("toggle", () => { if (details.open) followLog(details); });
    }
  }

  // While something still happens, the parts marked data-live are replaced by those of a fresh copy of the page.
  async function refresh() {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const other = fresh.getElementById(part.id);
        if (other && !part.contains(document.activeElement)) part.replaceWith(document.adoptNode(other));
      }
      document.body.dataset.unfinished = fresh.body.dataset.unfinished || "";
    } catch { /* The next round tries again. */ }
  }

  function keepFresh() {
    if (document.body.dataset.unfinished !== "yes") return;
    setTimeout(async () => { if (!document.hidden) await refresh(); keepFresh(); }, 3000);
  }

  addCopyButtons();
  followLogs();
  keepFresh();
})();
