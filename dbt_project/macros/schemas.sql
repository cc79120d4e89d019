{# A model lives in the schema of its layer, not in one prefixed by the target's. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ custom_schema_name or target.schema }}
{%- endmacro %}
