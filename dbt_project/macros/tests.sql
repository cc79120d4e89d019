{#
  Generic tests look at the run's days alone: no test grows with history. dbt asks for this by name.
  `relation` is a model of this project, whose config names its date column.
#}
{% macro get_where_subquery(relation) -%}
  {%- set found = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | selectattr('name', 'equalto', relation.identifier) | list if execute else [] -%}
  {%- set date_column = (found[0].config.get('date_column') if found) -%}
  {%- if date_column -%}
    (select * from {{ relation }} where {{ in_window(adapter.quote(date_column)) }}) as window_rows
  {%- else -%}
    {{ relation }}
  {%- endif -%}
{%- endmacro %}
