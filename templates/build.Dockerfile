# {{ title|comment }}
#
# Made by melange2 from a melange recipe: one stage per step, and what it leaves in
# melange-out as the output. To build it by hand:
#
{%- for argument in arguments %}
#   {{ argument|comment }}
{%- endfor %}
{%- if steps.is_empty() %}

# No step runs: the packages are empty.
FROM scratch AS out
{%- for (_, to) in outputs %}
WORKDIR {{ to|word }}
{%- endfor %}
{%- else %}

FROM env AS workspace
{%- for variable in variables %}
ENV {{ variable|env }}
{%- endfor %}
USER 0:0
RUN {{ setup|heredoc }}
{%- if source %}
COPY --from=source --chown={{ owner|word }} / /home/build/
{%- endif %}
{%- if let Some(shell) = shell %}
SHELL {{ shell|array }}
{%- endif %}
USER {{ owner|word }}
{%- for step in steps %}
{% include "step.Dockerfile" %}
{%- endfor %}

FROM scratch AS out
{%- for (from, to) in outputs %}
COPY --from={{ last|word }} {{ from|word }} {{ to|word }}
{%- endfor %}
{%- endif %}
