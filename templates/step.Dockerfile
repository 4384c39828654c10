
# {{ step.place|comment }}
# {{ step.label|comment }}
# package: {{ step.package|comment }}
# cache mounts: {{ step.caches|comment }}
{%- if let Some((stage, make)) = step.parents %}
FROM {{ step.base|word }} AS {{ stage|word }}
# Directories around cache mounts, which BuildKit would make as root.
RUN {% if step.insecure %}--security=insecure {% endif %}{{ make|heredoc }}
FROM {{ stage|word }} AS {{ step.stage|word }}
{%- else %}
FROM {{ step.base|word }} AS {{ step.stage|word }}
{%- endif %}
RUN {% if step.insecure %}--security=insecure {% endif %}
{%- for mount in step.mounts -%}
    --mount={{ mount|mount }} \
    {% endfor -%}
{{ step.script|heredoc }}
