// The credential form: shows the chosen provider's settings only. Without this script all are shown, and the
// server looks at the chosen provider's only.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const provider = document.getElementById("id_provider");
    if (!provider || !provider.dataset.kinds) return;
    const kinds = JSON.parse(provider.dataset.kinds);
    const baseUrl = document.getElementById("id_base_url");
    const secretLabel = document.querySelector("label[for=id_secret]");

    const show = () => {
        for (const settings of document.querySelectorAll("fieldset.provider-settings")) {
            settings.hidden = !settings.classList.contains(`provider-${provider.value}`);
        }
        const kind = kinds[provider.value];
        if (!kind) return;
        baseUrl.placeholder = kind.base_url || "https://…";
        if (secretLabel) {
            secretLabel.textContent = kind.secret_required ? kind.secret_label : `${kind.secret_label} (if it needs one)`;
        }
    };

    provider.addEventListener("change", show);
    show();
});
