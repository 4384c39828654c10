
# {{ step.place|comment }}
# {{ step.label|comment }}
# package: {{ step.package|comment }}
# cache mounts: {{ step.caches|comment }}
FROM {{ step.base|word }} AS {{ step.stage|word }}
{%- if let Some(make) = step.parents %}
# Directories around cache mounts, which BuildKit would make as root.
RUN {% if step.insecure %}--security=insecure {% endif %}{{ make|heredoc }}
{%- endif %}
RUN {% if step.insecure %}--security=insecure {% endif %}
{%- for mount in step.mounts -%}
    --mount={{ mount|mount }} \
    {% endfor -%}
{{ step.script|heredoc }}
