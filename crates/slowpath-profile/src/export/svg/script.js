"use strict";
// Zooms into a frame and marks what a search finds. Reads the picture only: where frames lie and what their tooltips say.
addEventListener("DOMContentLoaded", () => {
  const MARGIN = 10, INNER = 1180, CHARACTER = 6.6;
  const byId = (id) => document.getElementById(id);
  const frameOf = new Map();
  const frames = [...byId("frames").children].map((group) => {
    const rect = group.querySelector("rect");
    const tooltip = group.querySelector("title").textContent;
    const number = (name) => Number(rect.getAttribute(name));
    const name = tooltip.slice(0, tooltip.lastIndexOf(": ", tooltip.indexOf(" %)")));
    const label = group.querySelector("text");
    const frame = { group, rect, label, name, tooltip, x: number("x"), y: number("y"), width: number("width") };
    frameOf.set(group, frame);
    return frame;
  });
  const detail = byId("detail").textContent;

  function zoom(to) {
    const scale = INNER / to.width;
    document.documentElement.classList.toggle("zoomed", to !== frames[0]);
    for (const frame of frames) {
      const isAround = frame.y < to.y && frame.x <= to.x + 0.01 && frame.x + frame.width >= to.x + to.width - 0.01;
      const isInside = frame.y >= to.y && frame.x >= to.x - 0.01 && frame.x + frame.width <= to.x + to.width + 0.01;
      frame.group.style.display = isAround || isInside ? "" : "none";
      frame.group.classList.toggle("around", isAround);
      if (!isAround && !isInside) continue;
      draw(frame, isAround ? MARGIN : MARGIN + (frame.x - to.x) * scale, isAround ? INNER : frame.width * scale);
    }
  }

  function draw(frame, x, width) {
    frame.rect.setAttribute("x", x);
    frame.rect.setAttribute("width", width);
    const fitting = Math.floor((width - 6) / CHARACTER);
    if (fitting < 3) {
      if (frame.label) frame.label.textContent = "";
      return;
    }
    if (!frame.label) {
      frame.label = document.createElementNS("http://www.w3.org/2000/svg", "text");
      frame.label.setAttribute("y", frame.y + 13);
      frame.group.append(frame.label);
    }
    const characters = [...frame.name];
    frame.label.setAttribute("x", x + 3);
    frame.label.textContent = characters.length <= fitting ? frame.name : `${characters.slice(0, fitting - 1).join("")}…`;
  }

  function search() {
    const text = prompt("Mark functions or files that contain (empty: none)", "");
    if (text === null) return;
    const wanted = text.toLowerCase();
    const found = wanted === "" ? [] : frames.slice(1).filter((frame) => frame.tooltip.toLowerCase().includes(wanted));
    const marked = new Set(found);
    for (const frame of frames) frame.group.classList.toggle("faded", wanted !== "" && !marked.has(frame));
    // What lies below a match is in it already.
    let share = 0, end = 0;
    for (const frame of found.sort((a, b) => a.x - b.x || b.width - a.width)) {
      if (frame.x + frame.width <= end + 0.01) continue;
      share += frame.width / INNER;
      end = frame.x + frame.width;
    }
    byId("found").textContent = wanted === "" ? "" : `${text}: ${(share * 100).toFixed(1)} %`;
  }

  byId("frames").addEventListener("click", (event) => {
    const frame = frameOf.get(event.target.closest("g"));
    if (frame) zoom(frame);
  });
  byId("frames").addEventListener("mouseover", (event) => {
    const frame = frameOf.get(event.target.closest("g"));
    byId("detail").textContent = frame ? frame.tooltip.replace("\n", "  ") : detail;
  });
  byId("frames").addEventListener("mouseleave", () => (byId("detail").textContent = detail));
  const press = (id, act) => {
    byId(id).addEventListener("click", act);
    byId(id).addEventListener("keydown", (event) => (event.key === "Enter" ? act() : undefined));
  };
  press("search", search);
  press("reset", () => zoom(frames[0]));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") zoom(frames[0]);
    if ((event.key === "f" && (event.ctrlKey || event.metaKey)) || event.key === "/") {
      event.preventDefault();
      search();
    }
  });
});
